/** How a device becomes known: the link of the QR code, the proof of possession, and what the answer must lead back to. */
import { type Bytes, base64url, equal, fromBase64url, hex, utf8 } from "./bytes.ts";
import { VERSION } from "./constants.ts";
import { type DeviceCertificate, type Keyring, readCertificate, readKeyring, readObject } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import { labelled, sha256, type Signer } from "./primitives.ts";
import { type Asked, answerKeyId, type Headers, verifyAnswer } from "./signatures.ts";
import { receiptKey } from "./keyring.ts";

export const PATH_ENROL = "/sync/v1/enrol";

export interface EnrolmentLink {
  readonly baseUrl: string;
  readonly token: string;
  readonly rootKey: Bytes;
}

const SCHEMES: Readonly<Record<string, string>> = { passerelle: "https", "passerelle+http": "http", https: "https", http: "http" };

/** Read a link; throws `link-invalid`. */
export function parseLink(link: string): EnrolmentLink {
  const found = /^([a-z+]+):\/\/([^/?#@\s]+)\/?#(.+)$/.exec(link.trim());
  const scheme = SCHEMES[found?.[1] ?? ""];
  const fragment = new URLSearchParams(found?.[3] ?? "");
  const [tokens, roots] = [fragment.getAll("token"), fragment.getAll("root")];
  try {
    const rootKey = fromBase64url(roots[0] ?? "");
    if (scheme !== undefined && tokens.length === 1 && tokens[0] && roots.length === 1 && rootKey.length === 32) {
      return { baseUrl: `${scheme}://${found?.[2]}`, token: tokens[0], rootKey };
    }
  } catch {
    // falls through: a root that cannot be read is no better than none
  }
  throw new ProtocolError("link-invalid", "this is not an enrolment link");
}

/** Return the server's id: nobody chooses it, it follows from the root. */
export async function serverId(rootKey: Uint8Array): Promise<Bytes> {
  return (await sha256(labelled("passerelle/1 server\0", rootKey))).slice(0, 16);
}

/** Write the body of `POST /sync/v1/enrol`. */
export async function enrolmentRequest(link: EnrolmentLink, signer: Signer, receivingKey: Uint8Array): Promise<Bytes> {
  const claim = { label: "passerelle/1 enrol\0", claimed: utf8(link.token), rootKey: link.rootKey };
  return utf8(JSON.stringify({ version: VERSION, token: link.token, ...(await proven(claim, signer, receivingKey)) }));
}

/** Write the body of a device that the office has forgotten: its certificate stands in the place of a token. */
export async function enrolmentAgain(
  certificate: Uint8Array,
  rootKey: Uint8Array,
  signer: Signer,
  receivingKey: Uint8Array,
): Promise<Bytes> {
  const claim = { label: "passerelle/1 enrol again\0", claimed: certificate, rootKey };
  const members = { version: VERSION, certificate: base64url(certificate) };
  return utf8(JSON.stringify({ ...members, ...(await proven(claim, signer, receivingKey)) }));
}

async function proven(
  claim: { readonly label: string; readonly claimed: Uint8Array; readonly rootKey: Uint8Array },
  signer: Signer,
  receivingKey: Uint8Array,
): Promise<Readonly<Record<string, string>>> {
  const bound = [await serverId(claim.rootKey), await sha256(claim.claimed), signer.publicKey, receivingKey];
  const proof = await signer.sign(labelled(claim.label, ...bound));
  return { signing_key: base64url(signer.publicKey), receiving_key: base64url(receivingKey), proof: base64url(proof) };
}

export interface Enrolled {
  readonly certificate: DeviceCertificate;
  readonly certificateDocument: Bytes;
  readonly keyring: Keyring;
}

/** Check an answer in the order that the protocol names: keyring, signature, certificate, and that its keys are ours. */
export async function readEnrolment(
  answer: { readonly status: number; readonly headers: Headers; readonly body: Uint8Array },
  asked: Asked,
  link: EnrolmentLink,
  own: { readonly signingKey: Uint8Array; readonly receivingKey: Uint8Array },
): Promise<Enrolled> {
  const members = readObject(answer.body);
  const keyring = await readKeyring(fromBase64url(String(members["keyring"])), link.rootKey);
  const key = await receiptKey(keyring, answerKeyId(answer.headers));
  await verifyAnswer(answer.status, answer.body, answer.headers, asked, key);
  const certificateDocument = fromBase64url(String(members["certificate"]));
  const certificate = await readCertificate(certificateDocument, keyring.issuerKeys);
  if (certificate.deviceId !== members["device_id"] || hex(await serverId(link.rootKey)) !== members["server_id"]) {
    throw new ProtocolError("malformed", "the answer and its documents do not name the same");
  }
  if (!equal(certificate.signingKey, own.signingKey) || !equal(certificate.receivingKey, own.receivingKey)) {
    throw new ProtocolError("signature-invalid", "the certificate is for other keys than this device's");
  }
  return { certificate, certificateDocument, keyring };
}
