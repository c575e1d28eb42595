import assert from "node:assert/strict";
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { abortSeen, apiKey, further, messages, parameters } from "./common.js";

const client = new Anthropic({ baseURL: further, apiKey, maxRetries: 0 });
const ask = { model: "demo", max_tokens: 100, messages };

test("message", async () => {
  const got = await client.messages.create(ask);
  assert.equal(got.content[0].text, "You said: hello");
  assert.equal(got.stop_reason, "end_turn");
  assert.ok(got._request_id);
});

test("stream", async () => {
  const got = await client.messages.stream(ask).finalMessage();
  assert.match(got.content[0].text, /^You said: hello/);
  assert.equal(got.usage.output_tokens, 32);
});

test("tools in pieces", async () => {
  const tools = [{ name: "weather", input_schema: parameters }];
  const stream = client.messages.stream({ ...ask, tools });
  let pieces = 0;
  stream.on("inputJson", () => pieces++);
  const got = await stream.finalMessage();
  assert.ok(pieces > 4);
  assert.deepEqual(got.content[0].input, { city: "hello", unit: "celsius" });
  const result = { type: "tool_result", tool_use_id: got.content[0].id, content: "sunny" };
  const answer = await client.messages.create({
    ...ask, tools,
    messages: [...messages, { role: "assistant", content: got.content }, { role: "user", content: [result] }],
  });
  assert.equal(answer.content[0].text, "The tool said: sunny");
});

test("models", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.ok(models.includes("demo"));
});

test("abort", () =>
  abortSeen("abort-anthropic", (signal) =>
    client.messages.create({ ...ask, model: "abort-anthropic", stream: true }, { signal })));

test("errors", async () => {
  const call = client.messages.create({ ...ask, model: "play:400-anthropic-too-long" });
  await assert.rejects(call, (err) => {
    assert.ok(err instanceof Anthropic.BadRequestError);
    assert.equal(err.error.error.type, "invalid_request_error");
    assert.ok(err.requestID);
    return true;
  });
});
