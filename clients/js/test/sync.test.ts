/** The vectors of what is sealed to a device, signed, shortened and sent in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";

import * as passerelle from "../src/index.ts";
import { bytes, names, refused, vector } from "./vectors.ts";

const utf8 = new TextDecoder();

type Told = any;

const WAYS: Record<string, (told: Told) => Promise<Told>> = {
  stream: async (told) => {
    const plain = await passerelle.cobblestone.open(bytes(told.key), bytes(told.context), bytes(told.stream));
    return { plain: passerelle.hex(plain) };
  },
  hpke: async (told) => {
    const plain = await passerelle.hpke.open(told.suite, bytes(told.seed), bytes(told.sealed), bytes(told.info));
    return { plain: passerelle.hex(plain) };
  },
  document: async (told) => {
    const document = new TextEncoder().encode(told.document);
    await passerelle.readDocument(document, [bytes(told.trusted_public_key)], told.label);
    return { document_hash: passerelle.hex(new Uint8Array(await crypto.subtle.digest("SHA-256", document))) };
  },
  handover: async (told) => {
    const address = {
      kind: told.kind,
      deviceId: told.device_id,
      instanceId: bytes(told.instance_id),
      formVersionHash: bytes(told.form_version_hash),
    };
    const keys = [bytes(told.decision_key)];
    const found = await passerelle.openHandover(bytes(told.frame), address, keys, bytes(told.receiving_seed));
    const { mode, note, household_key } = found.members;
    return { instance_xml: utf8.decode(found.instanceXml), mode, note, household_key };
  },
  entities: async (told) => {
    const rows = await passerelle.openRows(bytes(told.frame), told.list_name, told.device_id, bytes(told.receiving_seed));
    const blank = { version: 0, label: "", values: {} };
    const spelled = (row: Told) => ({ ...blank, ...row, entity_id: row.id, is_gone: row.gone === true });
    return { rows: rows.map(spelled).map(({ id, gone, ...row }: Told) => row) };
  },
  assignments: async (told) => {
    const seed = bytes(told.receiving_seed);
    return { households: await passerelle.openHouseholds(bytes(told.frame), told.psu, told.device_id, seed) };
  },
};

for (const [folder, way] of Object.entries(WAYS)) {
  for (const name of names(folder, /^(?!fails_)/)) {
    test(`opens ${folder}/${name}`, async () => {
      const told = vector(folder, name);
      for (const [member, value] of Object.entries(await way(told))) assert.deepEqual(value, told[member]);
    });
  }
  for (const name of names(folder, /^fails_/)) {
    test(`refuses ${folder}/${name}`, async () => {
      const told = vector(folder, name);
      await refused(told.code, () => way(told));
    });
  }
}

test("shortens envelopes as they are shortened elsewhere", async () => {
  const told = vector("exchange", "request_shortened");
  const body = bytes(told.body);
  const frames = told.frames.map(bytes) as passerelle.Bytes[];
  const named = await Promise.all(frames.map(async (frame) => ({ id: await passerelle.envelopeId(frame), body: frame })));
  const made = passerelle.encodeEnvelopes(new TextEncoder().encode(JSON.stringify(told.control)), named);
  const after = (whole: Uint8Array) => whole.subarray(4 + new DataView(whole.buffer, whole.byteOffset).getUint32(0));
  assert.deepEqual(passerelle.hex(after(made)), passerelle.hex(after(body)));
});

test("understands an answer with every kind of news", () => {
  const answer = passerelle.decodeAnswer(bytes(vector("exchange", "answer_every_kind").body));
  assert.equal(answer.backedUpSequence, 41);
  assert.equal(answer.receipts.length, 7);
});

test("signs a part of a medium with its place", async () => {
  const told = vector("exchange", "part_signature");
  const signer = await passerelle.signerOf(bytes(told.seed));
  const place = { offset: told.upload_offset, length: told.upload_length };
  const made = await passerelle.signRequest(told.method, told.path, bytes(told.body), told.device_id, signer, place);
  assert.deepEqual(made, told.headers);
});
