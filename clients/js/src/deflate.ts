/** Raw deflate (RFC 1951) with preset dictionaries, and inflating that no sender can make costly. */
import pako from "pako";

import { type Bytes, concat, own } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";

export interface Inflated {
  readonly plain: Bytes;
  /** What follows the end of the deflate stream. */
  readonly rest: Bytes;
}

export function deflate(plain: Uint8Array, level: 6 | 9, dictionary?: Uint8Array): Bytes {
  const options = dictionary === undefined ? { level } : { level, dictionary: own(dictionary) };
  return own(pako.deflateRaw(own(plain), options as pako.DeflateFunctionOptions));
}

/** Inflate to at most so many bytes; throws `malformed` or `too-large`. */
export function inflate(packed: Uint8Array, limit: number, dictionary?: Uint8Array): Inflated {
  const options = dictionary === undefined ? { raw: true } : { raw: true, dictionary: own(dictionary) };
  const inflater = new pako.Inflate(options as pako.InflateOptions) as pako.Inflate & { strm: { avail_in: number } };
  const parts: Uint8Array[] = [];
  let length = 0;
  let isEnded = false;
  inflater.onData = (chunk): void => {
    const piece = chunk as Uint8Array;
    length += piece.length;
    if (length > limit) throw new ProtocolError("too-large", `inflates to more than ${limit} bytes`);
    parts.push(piece);
  };
  inflater.onEnd = (): void => {
    isEnded = true;
  };
  inflater.push(own(packed));
  if (inflater.err || !isEnded) throw new ProtocolError("malformed", "the deflate stream is broken or has no end");
  const rest = packed.subarray(packed.length - inflater.strm.avail_in);
  return { plain: concat(...parts), rest: own(rest) };
}
