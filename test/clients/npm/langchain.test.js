import assert from "node:assert/strict";
import test from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { abortSeen, apiKey, further, service } from "./common.js";

const options = { model: "demo", apiKey, maxRetries: 0, configuration: { baseURL: `${service}/v1` } };
const chat = new ChatOpenAI(options);
const weather = tool(async ({ city }) => `sunny in ${city}`, {
  name: "weather", description: "the weather", schema: z.object({ city: z.string() }),
});

test("chat", async () => {
  const got = await chat.invoke("hello");
  assert.equal(got.content, "You said: hello");
  assert.equal(got.usage_metadata.output_tokens, 32);
});

test("stream", async () => {
  let text = "";
  for await (const piece of await chat.stream("hello")) text += piece.content;
  assert.match(text, /^You said: hello/);
});

test("tools in pieces", async () => {
  let got;
  const human = new HumanMessage("hello");
  for await (const piece of await chat.bindTools([weather]).stream([human])) got = got ? got.concat(piece) : piece;
  assert.deepEqual(got.tool_calls[0].args, { city: "hello" });
  const result = new ToolMessage({ content: "sunny", tool_call_id: got.tool_calls[0].id });
  const answer = await chat.bindTools([weather]).invoke([human, got, result]);
  assert.equal(answer.content, "The tool said: sunny");
});

test("structured output", async () => {
  const got = await chat.withStructuredOutput(z.object({ city: z.string() })).invoke("hello");
  assert.equal(got.city, "hello");
});

test("responses and embeddings", async () => {
  const configuration = { baseURL: `${further}/v1` };
  const got = await new ChatOpenAI({ ...options, configuration, useResponsesApi: true }).invoke("hello");
  assert.equal(got.text, "You said: hello");
  const vectors = new OpenAIEmbeddings({ apiKey, configuration, model: "text-embedding-3-small" });
  assert.equal((await vectors.embedQuery("hello")).length, 1536);
});

test("abort", () =>
  abortSeen("abort-langchain", (signal) =>
    new ChatOpenAI({ ...options, model: "abort-langchain" }).stream("hello", { signal })));

test("errors", async () => {
  const call = new ChatOpenAI({ ...options, model: "play:400-context-length" }).invoke("hello");
  await assert.rejects(call, { name: "ContextOverflowError" });
});
