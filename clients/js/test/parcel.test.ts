/** Files that carry sealed interviews: the vectors, and every cut and every altered byte of one. */
import assert from "node:assert/strict";
import { test } from "node:test";

import * as passerelle from "../src/index.ts";
import { bytes, names, refused, vector } from "./vectors.ts";

const WHOLE = bytes(vector("parcel", "whole").parcel);

for (const name of names("parcel", /^(?!fails_)/)) {
  test(`reads parcel/${name}`, async () => {
    const told = vector("parcel", name);
    const found = await passerelle.readParcel(bytes(told.parcel));
    assert.deepEqual(found.envelopes.map(passerelle.hex), told.envelopes);
    assert.deepEqual(found.media.map(passerelle.hex), told.media);
    assert.equal(found.isWhole, told.is_whole);
    if (told.label === undefined) return;
    const { device_id: deviceId, written_at: writtenAt, ...counts } = told.label;
    assert.deepEqual(found.label, { deviceId, writtenAt, ...counts });
  });
}

for (const name of names("parcel", /^fails_/)) {
  test(`refuses parcel/${name}`, async () => {
    const told = vector("parcel", name);
    await refused(told.code, () => passerelle.readParcel(bytes(told.parcel)));
  });
}

test("writes a parcel as it is written elsewhere", async () => {
  const { label, envelopes, media } = await passerelle.readParcel(WHOLE);
  assert.deepEqual(await passerelle.writeParcel(label as passerelle.ParcelLabel, envelopes, media), WHOLE);
});

test("of a parcel that was cut anywhere or altered anywhere, no byte is taken for another", async () => {
  const { envelopes, media } = await passerelle.readParcel(WHOLE);
  const written = new Set([...envelopes, ...media].map(passerelle.hex));
  for (let place = 9; place < WHOLE.length; place += 1) {
    const altered = WHOLE.slice();
    altered[place] = (altered[place] as number) ^ 0x10;
    for (const [damaged, least] of [[WHOLE.subarray(0, place), 0], [altered, written.size - 1]] as const) {
      const found = await passerelle.readParcel(damaged).catch(() => null); // cut before its first record, it is none
      if (found === null) continue;
      const taken = [...found.envelopes, ...found.media].map(passerelle.hex);
      assert.ok(taken.every((one) => written.has(one)) && taken.length >= least && !found.isWhole, `at ${place}`);
    }
  }
});
