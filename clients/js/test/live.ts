/**
 * A tablet against a running server: `node test/live.ts`, told in JSON on standard input, telling in JSON on standard output.
 *
 * In: link, formVersionHash, interviews [{instanceId, xml}], and `faults`: what happens to each exchange in turn, `lost`
 * (the request never arrives), `unheard` (its answer is lost), `torn` (half an answer arrives) or `none`.
 * Out: deviceId, envelope ids and fates, and the kinds of what was pulled.
 */
import { text } from "node:stream/consumers";

import { Device, fromHex, hex, httpTransport, parseLink, type State, type Store, type Transport } from "../src/index.ts";

interface Told {
  readonly link: string;
  readonly formVersionHash: string;
  readonly interviews: readonly { readonly instanceId: string; readonly xml: string; readonly mode?: string }[];
  readonly faults: readonly ("none" | "lost" | "unheard" | "torn")[];
}

const told = JSON.parse(await text(process.stdin)) as Told;
const link = parseLink(told.link);
let saved: State | undefined;
const pulled: string[] = [];
const store: Store = {
  save: async (state, news) => {
    saved = structuredClone(state);
    pulled.push(...news.map((item) => item.kind));
  },
};
const over = httpTransport(link.baseUrl);

const faults = [...told.faults];
const faulty: Transport = async (method, path, headers, body) => {
  const fault = faults.shift() ?? "none";
  if (fault === "lost") throw new Error("the request is lost");
  const reply = await over(method, path, headers, body);
  if (fault === "unheard") throw new Error("the answer is lost");
  return fault === "torn" ? { ...reply, body: reply.body.slice(0, reply.body.length / 2) } : reply;
};

let device = await Device.enrol(link, over, store);
const sealing = told.interviews.map((interview) =>
  device.seal({
    instanceXml: new TextEncoder().encode(interview.xml),
    instanceId: fromHex(interview.instanceId),
    formVersionHash: fromHex(told.formVersionHash),
    mode: interview.mode ?? "survey",
  }),
);
await Promise.all(sealing); // at once, as an app may: each still takes a step of the ratchet of its own
let failures = 0;
for (let isDone = false; !isDone; ) {
  device = await Device.open(structuredClone(saved as State), store); // every try begins from what was saved
  try {
    await device.sync(faulty);
    isDone = true;
  } catch (error) {
    failures += 1;
    if (failures > told.faults.length) throw error;
  }
}
process.stdout.write(
  JSON.stringify({
    deviceId: device.id,
    envelopes: device.envelopes.map((one) => ({ id: hex(one.id), fate: one.fate, code: one.code, sequence: one.serverSequence })),
    pulled,
    failures,
  }),
);
