import assert from "node:assert/strict";
import { test } from "node:test";

import * as passerelle from "../src/index.ts";
import { Kind } from "../src/index.ts";
import { bytes, names, refused, vector } from "./vectors.ts";

const utf8 = new TextDecoder();
const KINDS = { interview: Kind.INTERVIEW, attachment: Kind.ATTACHMENT, decision: Kind.DECISION, draft: Kind.DRAFT };

async function opened(told: any, kind: passerelle.Header["kind"]): Promise<ReturnType<typeof passerelle.unpack>> {
  const body = bytes(told.envelope);
  passerelle.peek(body);
  await passerelle.verifyEnvelope(body, bytes(told.signing_public_key));
  const dictionary = told.dictionary === undefined ? undefined : bytes(told.dictionary);
  return passerelle.open(body, kind, bytes(told.content_key), dictionary);
}

for (const name of names("envelope", /^(interview|draft|attachment|decision)/)) {
  test(`opens ${name}`, async () => {
    const told = vector("envelope", name);
    const kind = KINDS[name.split("_")[0] as keyof typeof KINDS];
    const { manifest, document } = await opened(told, kind);
    assert.equal(utf8.decode(document), told.document);
    const expected = JSON.parse(told.manifest);
    assert.equal(manifest.deviceTime, expected.device_time);
    assert.deepEqual(manifest.media ?? [], expected.media ?? []);
    assert.equal(manifest.appUser, expected.app_user);
    assert.equal(passerelle.hex(await passerelle.envelopeId(bytes(told.envelope))), told.envelope_id);
  });

  test(`seals ${name} again so that it opens`, async () => {
    const told = vector("envelope", name);
    const header = passerelle.peek(bytes(told.envelope)) as passerelle.Header;
    const { manifest, document } = await opened(told, header.kind);
    const dictionary = told.dictionary === undefined ? undefined : bytes(told.dictionary);
    const signer = await passerelle.signerOf(new Uint8Array(32).fill(7));
    const again = await passerelle.seal(header, bytes(told.content_key), signer, { manifest, document, dictionary });
    await passerelle.verifyEnvelope(again, signer.publicKey);
    assert.deepEqual(passerelle.peek(again), header);
    const reopened = await passerelle.open(again, header.kind, bytes(told.content_key), dictionary);
    assert.deepEqual(reopened, { manifest, document });
  });
}

for (const name of names("envelope", /^fails_(?!epoch|document|medium)/)) {
  test(`refuses ${name}`, async () => {
    const told = vector("envelope", name);
    const kind = KINDS[(told.kind ?? "interview") as keyof typeof KINDS];
    await refused(told.code, () => opened(told, kind));
  });
}

async function openedEpoch(told: any): Promise<{ epoch: ReturnType<typeof passerelle.parseEpoch>; key: passerelle.Bytes }> {
  const seed = bytes(told.seed);
  const epoch = passerelle.parseEpoch(bytes(told.envelope));
  await passerelle.verifyEnvelope(epoch.body, bytes(told.signing_public_key));
  const publicKey = await publicKeyOf(told.suite, seed);
  const key = await passerelle.surveyKey(told.suite, publicKey, told.mode);
  assert.equal(passerelle.hex(key.hash), told.survey_key_hash);
  return { epoch, key: await passerelle.openEpoch(epoch, seed, key) };
}

async function publicKeyOf(suite: number, seed: passerelle.Bytes): Promise<passerelle.Bytes> {
  return suite === passerelle.SUITE_X25519 ? passerelle.hpke.x25519PublicKey(seed) : passerelle.hpke.xWingPublicKey(seed);
}

for (const name of names("envelope", /^epoch_/)) {
  test(`opens ${name}`, async () => {
    const told = vector("envelope", name);
    const { epoch, key } = await openedEpoch(told);
    assert.equal(passerelle.hex(key), told.epoch_key);
    assert.equal(passerelle.hex(epoch.nonce), told.nonce);
    assert.equal(passerelle.hex(epoch.certificateHash), told.certificate_hash);
  });

  test(`makes ${name} again so that it opens`, async () => {
    const told = vector("envelope", name);
    const seed = bytes(told.seed);
    const surveyKey = await passerelle.surveyKey(told.suite, await publicKeyOf(told.suite, seed), told.mode);
    const signer = await passerelle.signerOf(new Uint8Array(32).fill(7));
    const { epoch: first, key: epochKey } = await openedEpoch(told);
    const body = await passerelle.makeEpoch({ ...first, surveyKey, epochKey }, signer);
    assert.equal(body.length, first.body.length);
    await passerelle.verifyEnvelope(body, signer.publicKey);
    assert.deepEqual(await passerelle.openEpoch(passerelle.parseEpoch(body), seed, surveyKey), epochKey);
  });
}

for (const name of names("envelope", /^fails_epoch/)) {
  test(`refuses ${name}`, async () => {
    const told = vector("envelope", name);
    await refused(told.code, () => openedEpoch(told));
  });
}

for (const name of names("envelope", /^medium_/)) {
  test(`opens ${name}`, async () => {
    const told = vector("envelope", name);
    const plain = await passerelle.openMedium(bytes(told.stream), told.sha256, bytes(told.key));
    assert.equal(passerelle.hex(plain), told.plain);
  });
}

for (const name of names("envelope", /^fails_medium/)) {
  test(`refuses ${name}`, async () => {
    const told = vector("envelope", name);
    await refused(told.code, () => passerelle.openMedium(bytes(told.stream), told.sha256, bytes(told.key)));
  });
}

test("a sealed medium opens, and only under its own name", async () => {
  const plain = crypto.getRandomValues(new Uint8Array(40_000));
  const { medium, stream } = await passerelle.sealMedium(plain, "photo.jpg", "image/jpeg");
  assert.equal(medium.bytes, stream.length);
  assert.deepEqual(await passerelle.openMedium(stream, medium.sha256, bytes(medium.key)), plain);
  await refused("medium-altered", () => passerelle.openMedium(stream.slice(1), medium.sha256, bytes(medium.key)));
});

for (const name of names("envelope", /^document_/)) {
  test(`reads ${name}`, async () => {
    const told = vector("envelope", name);
    const document = new TextEncoder().encode(told.document);
    const payload = await passerelle.readDocument(document, [bytes(told.trusted_public_key)], told.label);
    assert.deepEqual(payload, JSON.parse(told.document).payload);
  });
}

for (const name of names("envelope", /^fails_document/)) {
  test(`refuses ${name}`, async () => {
    const told = vector("envelope", name);
    const document = new TextEncoder().encode(told.document);
    await refused(told.code, () => passerelle.readDocument(document, [bytes(told.trusted_public_key)], told.label));
  });
}

for (const name of names("envelope", /^x_wing_seed/)) {
  test(`derives the public key of ${name}`, async () => {
    const told = vector("envelope", name);
    assert.equal(passerelle.hex(await passerelle.hpke.xWingPublicKey(bytes(told.seed))), told.public_key);
  });
}

test("walks the ratchet", async () => {
  const told = vector("envelope", "ratchet");
  const [key, hash] = [bytes(told.epoch_key), bytes(told.epoch_hash)];
  for (const [place, index] of told.indices.entries()) {
    const found = await passerelle.contentKeyFromStart(key, hash, index);
    assert.equal(passerelle.hex(found), told.content_keys[place]);
  }
  await refused("index-too-high", () => passerelle.contentKeyFromStart(key, hash, 4096));
});

test("every flipped byte of an envelope is found", async () => {
  const told = vector("envelope", "interview_x25519");
  const whole = bytes(told.envelope);
  for (let position = 0; position < whole.length; position += 7) {
    const altered = whole.slice();
    altered[position] = (altered[position] ?? 0) ^ 0x40;
    await assert.rejects(async () => await opened({ ...told, envelope: passerelle.hex(altered) }, Kind.INTERVIEW));
  }
});

test("a bomb costs no more than its limit", async () => {
  await refused("too-large", () => opened(vector("envelope", "fails_bomb"), Kind.INTERVIEW));
});
