/** The core of a tablet app: seal, open, frames, signatures, and the exchange. */
export { type Bytes, base64url, fromBase64url, fromHex, hex } from "./bytes.ts";
export * as cobblestone from "./cobblestone.ts";
export * from "./constants.ts";
export { Device, type Fate, httpTransport, type Interview, type Reply, type State, type Store, type Stored, type Transport } from "./device.ts";
export {
  activeKey, canonicalJson, type DeviceCertificate, type Keyring, readCertificate, readDocument, readKeyring, surveyKey, type SurveyKey,
} from "./documents.ts";
export { enrolmentAgain, enrolmentRequest, type EnrolmentLink, parseLink, readEnrolment, serverId } from "./enrolment.ts";
export { envelopeId, makeEpoch, openEpoch, parseEpoch, verifyEnvelope } from "./epoch.ts";
export { encodeHeader, type Header, open, peek, seal } from "./envelope.ts";
export { ProtocolError } from "./errors.ts";
export { decodeBody, encodeBody, encodeEnvelopes } from "./frames.ts";
export { type Handover, openHandover, openHouseholds, openRows } from "./handover.ts";
export * as hpke from "./hpke.ts";
export { openMedium, sealMedium } from "./media.ts";
export { decodeAnswer, decodeProblem, encodeRequest, type ExchangeAnswer, type Problem, type Pulled, ReceiptCode } from "./messages.ts";
export { type Parcel, type ParcelLabel, readParcel, writeParcel } from "./parcel.ts";
export { type Manifest, type Medium, pack, unpack } from "./plaintext.ts";
export { type Signer, signerOf } from "./primitives.ts";
export { contentKey, contentKeyFromStart, nextKey } from "./ratchet.ts";
export { signRequest, verifyAnswer, verifyRequest } from "./signatures.ts";
