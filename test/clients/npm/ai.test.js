import assert from "node:assert/strict";
import test from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embed, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { abortSeen, apiKey, further, service } from "./common.js";

const chats = createOpenAI({ baseURL: `${service}/v1`, apiKey });
const more = createOpenAI({ baseURL: `${further}/v1`, apiKey });
const weather = tool({
  inputSchema: z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) }),
  execute: async ({ city }) => `sunny in ${city}`,
});

for (const [name, model] of [["chat", chats.chat("demo")], ["responses", more("demo")]]) {
  test(`${name}: text`, async () => {
    const got = await generateText({ model, prompt: "hello", maxRetries: 0 });
    assert.equal(got.text, "You said: hello");
    assert.equal(got.usage.outputTokens, 32);
  });

  test(`${name}: stream`, async () => {
    const got = streamText({ model, prompt: "hello", maxRetries: 0 });
    let text = "";
    for await (const piece of got.textStream) text += piece;
    assert.match(text, /^You said: hello/);
    assert.equal(await got.finishReason, "stop");
  });

  test(`${name}: tools`, async () => {
    const got = streamText({ model, prompt: "hello", tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 });
    assert.match(await got.text, /^The tool said: sunny in hello/);
  });

  test(`${name}: structured output`, async () => {
    const schema = z.object({ city: z.string(), days: z.array(z.number()) });
    const got = await generateObject({ model, schema, prompt: "hello", maxRetries: 0 });
    assert.equal(got.object.city, "hello");
  });
}

test("embeddings", async () => {
  const got = await embed({ model: more.embedding("text-embedding-3-small"), value: "hello", maxRetries: 0 });
  assert.equal(got.embedding.length, 1536);
});

test("abort", () =>
  abortSeen("abort-ai", async (abortSignal) =>
    streamText({ model: chats.chat("abort-ai"), prompt: "hello", maxRetries: 0, abortSignal }).textStream));

test("errors", async () => {
  const call = generateText({ model: chats.chat("play:400-context-length"), prompt: "hello", maxRetries: 0 });
  await assert.rejects(call, (err) => {
    assert.ok(APICallError.isInstance(err));
    assert.equal(err.statusCode, 400);
    assert.equal(err.isRetryable, false);
    return true;
  });
});
