// What all tests know: where the service is, where the vendor behind it is, and what a tool looks like.

import assert from "node:assert/strict";

export const service = process.env.CLIENTS_SERVICE; // without a path
export const vendor = process.env.CLIENTS_VENDOR; // the simulated vendor behind it
export const apiKey = process.env.CLIENTS_KEY;

// further is where the endpoints beside chats are.
export const further = process.env.CLIENTS_FURTHER;

export const messages = [{ role: "user", content: "hello" }];

// parameters of the tool that the model is offered.
export const parameters = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};

// eventually waits until is() holds; the vendor knows everything that happens within milliseconds.
export async function eventually(what, is) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if (await is()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`${what}: not within 30 s`);
}

// calls are the vendor's calls for a model, as its log has them.
export async function calls(model) {
  const log = await (await fetch(`${vendor}/log`)).text();
  return log.split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter((call) => call.model === model);
}

// counted is a fetch that remembers when it was called.
export function counted() {
  const at = [];
  const counting = (...request) => {
    at.push(Date.now());
    return fetch(...request);
  };
  return { at, fetch: counting };
}

// abortSeen starts a stream, leaves it after the first event, and waits until the vendor knows.
export async function abortSeen(model, start) {
  const slow = { kind: "stall", chunks: 1, model };
  const res = await fetch(`${vendor}/faults`, { method: "POST", body: JSON.stringify(slow) });
  assert.equal(res.status, 204);
  const leave = new AbortController();
  try {
    for await (const event of await start(leave.signal)) {
      if (event) leave.abort();
    }
  } catch (err) {
    if (!leave.signal.aborted) throw err;
  }
  await eventually(`the vendor sees that ${model} left`, async () => (await calls(model))[0]?.cancelled);
}
