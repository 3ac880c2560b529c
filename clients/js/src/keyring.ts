/** Finding keys in a keyring, and the one way in which a newer keyring is taken up. */
import type { Bytes } from "./bytes.ts";
import { type Keyring, readKeyring } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import { keyId } from "./primitives.ts";

/** Return the receipt key of an id; throws `signature-invalid` for one that the keyring does not name. */
export async function receiptKey(keyring: Keyring, wanted: string): Promise<Bytes> {
  for (const key of keyring.receiptKeys) if ((await keyId(key)) === wanted) return key;
  throw new ProtocolError("signature-invalid", "signed by a key that is not in the keyring");
}

/** Return the newest of a keyring and documents that claim to be newer; what the root did not sign is passed over. */
export async function newest(keyring: Keyring, documents: readonly Uint8Array[], rootKey: Uint8Array): Promise<Keyring> {
  let best = keyring;
  for (const document of documents) {
    try {
      const offered = await readKeyring(document, rootKey);
      if (offered.serial > best.serial) best = offered;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return best;
}
