/** RFC 9421 signatures over RFC 9530 digests, in the one form that is accepted; no clock is trusted. */
import { type Bytes, base64, utf8 } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";
import { isSigned, sha256, type Signer } from "./primitives.ts";

const REQUEST = { components: '("@method" "@path" "content-digest")', tag: "passerelle/1 request" };
const ANSWER = {
  components: '("@status" "content-digest" "@method";req "@path";req "content-digest";req)',
  tag: "passerelle/1 answer",
};

const PART = {
  components: '("@method" "@path" "content-digest" "upload-offset" "upload-length")',
  tag: "passerelle/1 request",
};

export type Headers = Readonly<Record<string, string>>;

/** The request that an answer answers. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly digest: Uint8Array;
}

export async function contentDigest(body: Uint8Array): Promise<string> {
  return spelled(await sha256(body));
}

/** Where a part of a medium belongs: it begins at byte `offset` of a ciphertext of `length` bytes. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Return the headers that authenticate a request of a device: three, and two more for a part of a medium. */
export async function signRequest(
  method: string,
  path: string,
  body: Uint8Array,
  deviceId: string,
  signer: Signer,
  place?: Place,
): Promise<Headers> {
  const digest = await contentDigest(body);
  const parameters = parametersOf(place === undefined ? REQUEST : PART, deviceId);
  const signed = headersOf(digest, parameters, await signer.sign(requestBase(method, path, digest, parameters, place)));
  if (place === undefined) return signed;
  return { ...signed, "Upload-Offset": `${place.offset}`, "Upload-Length": `${place.length}` };
}

/** Check a request as a server does. */
export async function verifyRequest(
  method: string,
  path: string,
  body: Uint8Array,
  headers: Headers,
  publicKey: Uint8Array,
): Promise<void> {
  const parameters = parametersOf(REQUEST, keyIdIn(headers, REQUEST));
  const digest = await checkedDigest(headers, body);
  await verify(requestBase(method, path, digest, parameters), headers, publicKey);
}

/** Return the id of the receipt key that an answer claims, unverified. */
export function answerKeyId(headers: Headers): string {
  return keyIdIn(headers, ANSWER);
}

/** Check that an answer is whole, signed, and the answer to this request. */
export async function verifyAnswer(
  status: number,
  body: Uint8Array,
  headers: Headers,
  asked: Asked,
  publicKey: Uint8Array,
): Promise<void> {
  const parameters = parametersOf(ANSWER, answerKeyId(headers));
  const digest = await checkedDigest(headers, body);
  const base = [
    `"@status": ${status}`,
    `"content-digest": ${digest}`,
    `"@method";req: ${asked.method}`,
    `"@path";req: ${asked.path}`,
    `"content-digest";req: ${spelled(asked.digest)}`,
    `"@signature-params": ${parameters}`,
  ].join("\n");
  await verify(utf8(base), headers, publicKey);
}

function requestBase(method: string, path: string, digest: string, parameters: string, place?: Place): Bytes {
  const lines = [`"@method": ${method}`, `"@path": ${path}`, `"content-digest": ${digest}`];
  if (place !== undefined) lines.push(`"upload-offset": ${place.offset}`, `"upload-length": ${place.length}`);
  return utf8([...lines, `"@signature-params": ${parameters}`].join("\n"));
}

function parametersOf({ components, tag }: typeof REQUEST, keyId: string): string {
  return `${components};keyid="${keyId}";alg="ed25519";tag="${tag}"`;
}

function headersOf(digest: string, parameters: string, signature: Uint8Array): Headers {
  return {
    "Content-Digest": digest,
    "Signature-Input": `passerelle=${parameters}`,
    Signature: `passerelle=:${base64(signature)}:`,
  };
}

function spelled(digest: Uint8Array): string {
  return `sha-256=:${base64(digest)}:`;
}

function keyIdIn(headers: Headers, { components, tag }: typeof REQUEST): string {
  const given = header(headers, "signature-input");
  const start = `passerelle=${components};keyid="`;
  const end = `";alg="ed25519";tag="${tag}"`;
  const keyId = given.slice(start.length, given.length - end.length);
  if (given !== `${start}${keyId}${end}` || !/^[A-Za-z0-9._:-]{1,64}$/.test(keyId)) throw invalid("Signature-Input");
  return keyId;
}

async function checkedDigest(headers: Headers, body: Uint8Array): Promise<string> {
  const given = header(headers, "content-digest");
  if (!/^sha-256=:[A-Za-z0-9+/]{43}=:$/.test(given)) throw invalid("Content-Digest");
  if (given !== (await contentDigest(body))) throw new ProtocolError("digest-mismatch", "the body is not the one signed");
  return given;
}

async function verify(base: Uint8Array, headers: Headers, publicKey: Uint8Array): Promise<void> {
  const found = /^passerelle=:([A-Za-z0-9+/]{86}==):$/.exec(header(headers, "signature"));
  if (found === null) throw invalid("Signature");
  const signature = Uint8Array.from(atob(found[1] ?? ""), (one) => one.charCodeAt(0));
  const isCanonical = base64(signature) === found[1];
  if (!isCanonical || !(await isSigned(publicKey, base, signature))) throw invalid("the signature");
}

function header(headers: Headers, name: string): string {
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  if (found.length !== 1) throw invalid(name);
  return (found[0]?.[1] ?? "").trim();
}

function invalid(what: string): ProtocolError {
  return new ProtocolError("signature-invalid", `${what} is not what it should be`);
}

