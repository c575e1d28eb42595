import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { AzureOpenAI } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { abortSeen, apiKey, counted, further, messages, parameters, service } from "./common.js";

const client = new OpenAI({ baseURL: `${service}/v1`, apiKey, maxRetries: 0 });
const more = new OpenAI({ baseURL: `${further}/v1`, apiKey, maxRetries: 0 });
const tools = [{ type: "function", function: { name: "weather", parameters } }];

test("chat", async () => {
  const got = await client.chat.completions.create({ model: "demo", messages, n: 2 });
  assert.equal(got.choices.length, 2);
  assert.equal(got.choices[1].message.content, "You said: hello");
  assert.equal(got.usage.completion_tokens, 64);
  assert.ok(got._request_id);
});

test("stream", async () => {
  const stream = client.chat.completions.stream({ model: "demo", messages, stream_options: { include_usage: true } });
  const got = await stream.finalChatCompletion();
  assert.match(got.choices[0].message.content, /^You said: hello/);
  assert.equal(got.choices[0].finish_reason, "stop");
  assert.equal(got.usage.completion_tokens, 32);
});

test("tools in pieces", async () => {
  const stream = client.chat.completions.stream({ model: "demo", messages, tools });
  let pieces = 0;
  stream.on("tool_calls.function.arguments.delta", () => pieces++);
  const got = await stream.finalChatCompletion();
  const call = got.choices[0].message.tool_calls[0];
  assert.ok(pieces > 4);
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "hello", unit: "celsius" });
  const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
  const answer = await client.chat.completions.create({
    model: "demo", tools, messages: [...messages, got.choices[0].message, result],
  });
  assert.equal(answer.choices[0].message.content, "The tool said: sunny");
});

test("structured output", async () => {
  const format = zodResponseFormat(z.object({ city: z.string(), days: z.array(z.number()) }), "weather");
  const got = await client.chat.completions.parse({ model: "demo", messages, response_format: format });
  assert.equal(got.choices[0].message.parsed.city, "hello");
});

test("abort", () =>
  abortSeen("abort-openai", (signal) =>
    client.chat.completions.create({ model: "abort-openai", messages, stream: true }, { signal })));

test("abort of a response", () =>
  abortSeen("abort-response", (signal) =>
    more.responses.create({ model: "abort-response", input: "hello", stream: true }, { signal })));

test("typed errors", async () => {
  for (const [model, status, code, kind] of [
    ["play:400-context-length", 400, "context_length_exceeded", OpenAI.BadRequestError],
    ["play:404-model", 404, "model_not_found", OpenAI.NotFoundError],
    ["play:401-key", 502, "vendor_auth", OpenAI.InternalServerError],
    ["play:500", 502, "vendor_error", OpenAI.InternalServerError],
  ]) {
    await assert.rejects(client.chat.completions.create({ model, messages }), (err) => {
      assert.ok(err instanceof kind, `${model}: ${err}`);
      assert.equal(err.status, status);
      assert.equal(err.code, code);
      assert.ok(err.requestID);
      return true;
    });
  }
  const stranger = new OpenAI({ baseURL: `${service}/v1`, apiKey: "none", maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create({ model: "demo", messages }), OpenAI.AuthenticationError);
});

test("a refusal is repeated as often as the client likes, and after Retry-After", async () => {
  const { at, fetch } = counted();
  const patient = new OpenAI({ baseURL: `${service}/v1`, apiKey, maxRetries: 1, fetch });
  await assert.rejects(
    patient.chat.completions.create({ model: "play:429-seconds", messages }), OpenAI.RateLimitError);
  assert.equal(at.length, 2);
  assert.ok(at[1] - at[0] >= 990, `${at[1] - at[0]} ms`); // the pause is the vendor's, and has partly passed
});

test("responses", async () => {
  const got = await more.responses.create({ model: "demo", input: "hello" });
  assert.equal(got.output_text, "You said: hello");
  const stream = more.responses.stream({
    model: "demo", input: "hello", tools: [{ type: "function", name: "weather", parameters, strict: true }],
  });
  const final = await stream.finalResponse();
  assert.equal(final.output[0].type, "function_call");
  assert.deepEqual(JSON.parse(final.output[0].arguments), { city: "hello", unit: "celsius" });
});

test("embeddings, moderations, completions and models", async () => {
  const vector = await more.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
  assert.equal(vector.data[1].embedding.length, 1536);
  const verdict = await more.moderations.create({ input: "kill" });
  assert.equal(verdict.results[0].categories.violence, true);
  const text = await more.completions.create({ model: "demo", prompt: "hello" });
  assert.equal(text.choices[0].text, "You said: hello");
  const models = [];
  for await (const model of more.models.list()) models.push(model.id);
  assert.ok(models.includes("demo"));
});

test("Azure's client", async () => {
  const azure = new AzureOpenAI({ endpoint: service, apiKey, apiVersion: "2024-10-21", deployment: "demo", maxRetries: 0 });
  const got = await azure.chat.completions.create({ model: "demo", messages });
  assert.equal(got.choices[0].message.content, "You said: hello");
  const missing = new AzureOpenAI({ endpoint: service, apiKey: "none", apiVersion: "2024-10-21", maxRetries: 0 });
  await assert.rejects(missing.chat.completions.create({ model: "demo", messages }), OpenAI.AuthenticationError);
});
