/** Numbers, labels and limits of the protocol: those of docs/reference/envelope.md and protocol.md. */
export const VERSION = 1;
export const MAGIC = "PSRL";
export const ENVELOPE_VERSION = 1;
export const SUITE_X_WING = 1;
export const SUITE_X25519 = 2;

export const Kind = { EPOCH: 1, INTERVIEW: 2, DRAFT: 3, ATTACHMENT: 4, DECISION: 5 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export const HASH_BYTES = 32;
export const INSTANCE_ID_BYTES = 16;
export const SIGNATURE_BYTES = 64;
export const RATCHET_STEPS = 4096;
export const BUCKET_BYTES = 128;
export const ENVELOPE_BYTES = 1 << 20;
export const MEDIUM_BYTES = 256 << 20;
export const EXCHANGE_BYTES = 4 << 20;
export const EXCHANGE_FRAMES = 500;
export const CONTROL_BYTES = 256 << 10;
export const INFLATE_RATIO = 200;
export const PLAINTEXT_BYTES = 4 << 20;

export const LABEL_CONTENT_KEY = "passerelle/1 cek";
export const LABEL_NEXT_KEY = "passerelle/1 next";
export const LABEL_EPOCH = "passerelle/1 epoch";
export const LABEL_ENVELOPE = "passerelle/1 envelope";
export const LABEL_MEDIUM = "passerelle/1 medium";
export const LABEL_KEYRING = "passerelle/1 keyring";
export const LABEL_CERTIFICATE = "passerelle/1 device certificate";
export const NO_HASH = new Uint8Array(HASH_BYTES);
