import assert from "node:assert/strict";
import test from "node:test";
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { apiKey, further, service } from "./common.js";

setTracingDisabled(true);
const weather = tool({
  name: "weather", description: "the weather", parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const at = (baseURL) => new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });

for (const [name, model] of [
  ["chat", new OpenAIChatCompletionsModel(at(service), "demo")],
  ["responses", new OpenAIResponsesModel(at(further), "demo")],
]) {
  const agent = new Agent({ name: "helper", instructions: "Help.", model, tools: [weather] });

  test(`${name}: an agent calls its tool and answers`, async () => {
    const got = await run(agent, "hello");
    assert.match(got.finalOutput, /^The tool said: sunny in hello/);
  });

  test(`${name}: the same as a stream`, async () => {
    const got = await run(agent, "hello", { stream: true });
    let events = 0;
    for await (const event of got) events += event.type === "raw_model_stream_event" ? 1 : 0;
    await got.completed;
    assert.ok(events > 10);
    assert.match(got.finalOutput, /^The tool said: sunny in hello/);
  });

  test(`${name}: structured output`, async () => {
    const outputType = z.object({ city: z.string() });
    const strict = new Agent({ name: "helper", instructions: "Help.", model, outputType });
    assert.deepEqual((await run(strict, "hello")).finalOutput, { city: "hello" });
  });
}
