import assert from "node:assert/strict";
import { test } from "node:test";

import * as passerelle from "../src/index.ts";
import { bytes, names, refused, vector } from "./vectors.ts";

const utf8 = new TextDecoder();

for (const name of ["request_body", "request_every_member", "answer_body", "answer_every_kind"]) {
  test(`takes ${name} apart, and puts it together so that it decodes`, () => {
    const told = vector("exchange", name);
    const body = passerelle.decodeBody(bytes(told.body));
    assert.deepEqual(JSON.parse(utf8.decode(body.control)), told.control);
    assert.deepEqual(body.frames.map(passerelle.hex), told.frames);
    assert.deepEqual(passerelle.decodeBody(passerelle.encodeBody(body.control, body.frames)), body);
  });
}

test("understands an answer", () => {
  const answer = passerelle.decodeAnswer(bytes(vector("exchange", "answer_body").body));
  assert.equal(answer.cursor, "1.5");
  assert.deepEqual(answer.receipts.map((receipt) => receipt.sequence), [12, 13]);
});

for (const name of names("exchange", /^fails_/)) {
  test(`refuses ${name}`, async () => {
    const told = vector("exchange", name);
    await refused(told.code, () => passerelle.decodeAnswer(bytes(told.body)));
  });
}

test("signs a request as it is signed elsewhere", async () => {
  const told = vector("exchange", "request_signature");
  const signer = await passerelle.signerOf(bytes(told.seed));
  assert.equal(passerelle.hex(signer.publicKey), told.public_key);
  assert.deepEqual(await passerelle.signRequest(told.method, told.path, bytes(told.body), "device-1", signer), told.headers);
  await passerelle.verifyRequest(told.method, told.path, bytes(told.body), told.headers, signer.publicKey);
});

test("believes an answer only as the answer to its request", async () => {
  const told = vector("exchange", "answer_signature");
  const asked = { method: told.method, path: told.path, digest: bytes(told.request_sha256) };
  const body = bytes(told.body);
  const key = bytes(told.public_key);
  await passerelle.verifyAnswer(told.status, body, told.headers, asked, key);
  const invalid = "signature-invalid";
  await refused(invalid, () => passerelle.verifyAnswer(201, body, told.headers, asked, key));
  await refused(invalid, () => passerelle.verifyAnswer(200, body, told.headers, { ...asked, path: "/sync/v1/enrol" }, key));
  await refused(invalid, () => passerelle.verifyAnswer(200, body, told.headers, { ...asked, digest: new Uint8Array(32) }, key));
  await refused(invalid, () => passerelle.verifyAnswer(200, body, { ...told.headers, signature: "x" }, asked, key));
  await refused("digest-mismatch", () => passerelle.verifyAnswer(200, body.slice(1), told.headers, asked, key));
});

test("reads an enrolment link and proves possession", async () => {
  const told = vector("exchange", "enrolment");
  const link = passerelle.parseLink(told.link);
  assert.equal(link.baseUrl, told.base_url);
  assert.equal(link.token, told.token);
  assert.equal(passerelle.hex(link.rootKey), told.root_key);
  assert.equal(passerelle.hex(await passerelle.serverId(link.rootKey)), told.server_id);
  const signer = await passerelle.signerOf(bytes(told.seed));
  const body = await passerelle.enrolmentRequest(link, signer, bytes(told.receiving_key));
  assert.deepEqual(JSON.parse(utf8.decode(body)), told.request);
  for (const wrong of ["", "ftp://a/#token=t&root=AA", told.link.replace("root=", "root=!"), "passerelle://a/#token=t"]) {
    await refused("link-invalid", () => passerelle.parseLink(wrong));
  }
});

test("a device that was forgotten proves itself by its certificate", async () => {
  const told = vector("exchange", "enrolment_again");
  const signer = await passerelle.signerOf(bytes(told.seed));
  const certificate = new TextEncoder().encode(told.certificate);
  const body = await passerelle.enrolmentAgain(certificate, bytes(told.root_key), signer, bytes(told.receiving_key));
  assert.deepEqual(JSON.parse(utf8.decode(body)), told.request);
});
