/** The epoch envelope: a device-day's key, wrapped to the survey key. */
import { type Bytes, concat, fromHex, hex, own, text, u64, utf8, view } from "./bytes.ts";
import {
  ENVELOPE_VERSION, HASH_BYTES, Kind, LABEL_ENVELOPE, LABEL_EPOCH, MAGIC, SIGNATURE_BYTES, SUITE_X25519, SUITE_X_WING,
} from "./constants.ts";
import type { SurveyKey } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import * as hpke from "./hpke.ts";
import { isSigned, labelled, sha256, type Signer } from "./primitives.ts";

const FRONT_BYTES = 112;
const WRAP_BYTES = 10;

export interface Epoch {
  readonly kind: typeof Kind.EPOCH;
  readonly suite: number;
  readonly certificateHash: Bytes;
  readonly nonce: Bytes;
  readonly sequence: bigint;
  readonly previous: Bytes;
  readonly surveyKeyId: string;
  readonly wrapped: Bytes;
  readonly body: Bytes;
}

export interface NewEpoch {
  readonly surveyKey: SurveyKey;
  readonly certificateHash: Uint8Array;
  readonly sequence: bigint;
  readonly previous: Uint8Array;
  readonly nonce: Uint8Array;
  readonly epochKey: Uint8Array;
}

/** Wrap an epoch key to the survey key and sign it; return the envelope. */
export async function makeEpoch(made: NewEpoch, signer: Signer): Promise<Bytes> {
  const key = made.surveyKey;
  const wrapped = await hpke.seal(key.suite, key.publicKey, made.epochKey, info(key.hash, made.certificateHash, made.nonce));
  const length = Uint8Array.of(wrapped.length >> 8, wrapped.length & 0xff);
  const unsigned = concat(
    utf8(MAGIC), Uint8Array.of(ENVELOPE_VERSION, key.suite, Kind.EPOCH, 1), made.certificateHash, made.nonce,
    u64(made.sequence), made.previous, fromHex(key.id), length, wrapped,
  );
  return concat(unsigned, await signer.sign(labelled(LABEL_ENVELOPE, unsigned)));
}

/** Take an epoch apart, without any check of signature or key. */
export function parseEpoch(body: Uint8Array): Epoch {
  if (body.length < FRONT_BYTES + WRAP_BYTES + SIGNATURE_BYTES) throw new ProtocolError("truncated", "shorter than any epoch");
  const wraps = body[7] ?? 0;
  if (text(body.subarray(0, 4)) !== MAGIC || body[6] !== Kind.EPOCH || wraps === 0) {
    throw new ProtocolError("malformed", "not an epoch");
  }
  checkVersion(body[4] ?? 0, body[5] ?? 0);
  const end = body.length - SIGNATURE_BYTES;
  let position = FRONT_BYTES;
  let first: { id: string; wrapped: Bytes } | undefined;
  for (let wrap = 0; wrap < wraps; wrap++) {
    if (position + WRAP_BYTES > end) throw new ProtocolError("truncated", "a wrapped key is missing");
    const length = view(body).getUint16(position + 8);
    const start = position + WRAP_BYTES;
    first ??= { id: hex(body.subarray(position, position + 8)), wrapped: own(body.subarray(start, start + length)) };
    position = start + length;
  }
  if (position !== end) throw new ProtocolError(position > end ? "truncated" : "trailing-bytes", "lengths do not add up");
  return {
    kind: Kind.EPOCH,
    suite: body[5] ?? 0,
    certificateHash: own(body.subarray(8, 40)),
    nonce: own(body.subarray(40, 72)),
    sequence: view(body).getBigUint64(72),
    previous: own(body.subarray(80, FRONT_BYTES)),
    surveyKeyId: first?.id ?? "",
    wrapped: first?.wrapped ?? new Uint8Array(0),
    body: own(body),
  };
}

/** Unwrap the epoch key (32) with the private seed of the survey key. */
export async function openEpoch(epoch: Epoch, seed: Uint8Array, surveyKey: SurveyKey): Promise<Bytes> {
  if (epoch.surveyKeyId !== surveyKey.id || epoch.suite !== surveyKey.suite) {
    throw new ProtocolError("wrong-survey-key", "the epoch is wrapped to another survey key");
  }
  const opened = await hpke.open(epoch.suite, seed, epoch.wrapped, info(surveyKey.hash, epoch.certificateHash, epoch.nonce));
  if (opened.length !== HASH_BYTES) throw new ProtocolError("undecryptable", "the epoch key has not 32 bytes");
  return opened;
}

export function checkVersion(version: number, suite: number): void {
  if (version !== ENVELOPE_VERSION) throw new ProtocolError("unknown-version", `envelope version ${version}`);
  if (suite !== SUITE_X_WING && suite !== SUITE_X25519) throw new ProtocolError("unknown-suite", `suite ${suite}`);
}

/** Check the signature in the last 64 bytes of an envelope over all before it. */
export async function verifyEnvelope(body: Uint8Array, publicKey: Uint8Array): Promise<void> {
  const end = body.length - SIGNATURE_BYTES;
  const message = labelled(LABEL_ENVELOPE, body.subarray(0, end));
  if (end < 0 || !(await isSigned(publicKey, message, body.subarray(end)))) {
    throw new ProtocolError("signature-invalid", "not signed by the device that it names");
  }
}

export const envelopeId = sha256;

function info(surveyKeyHash: Uint8Array, certificateHash: Uint8Array, nonce: Uint8Array): Bytes {
  return labelled(LABEL_EPOCH, surveyKeyHash, certificateHash, nonce);
}
