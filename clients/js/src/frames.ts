/** The body of an exchange: `u32 length ‖ deflated control JSON ‖ n × (u32 length ‖ frame)`, both ways. */
import { type Named, shorten } from "./abbreviation.ts";
import { type Bytes, concat, own, u32, view } from "./bytes.ts";
import { CONTROL_BYTES, ENVELOPE_BYTES, EXCHANGE_BYTES, EXCHANGE_FRAMES, INFLATE_RATIO } from "./constants.ts";
import { deflate, inflate } from "./deflate.ts";
import { ProtocolError } from "./errors.ts";

/** Set in the length of a frame that is shortened. */
const SHORTENED = 2 ** 31;

export interface Body {
  readonly control: Bytes;
  readonly frames: readonly Bytes[];
}

export function encodeBody(control: Uint8Array, frames: readonly Uint8Array[]): Bytes {
  const deflated = deflate(control, 6);
  return concat(u32(deflated.length), deflated, ...frames.flatMap((frame) => [u32(frame.length), frame]));
}

/** Put control and envelopes together, each without what the one before already says. */
export function encodeEnvelopes(control: Uint8Array, envelopes: readonly Named[]): Bytes {
  const deflated = deflate(control, 6);
  const parts: Uint8Array[] = [u32(deflated.length), deflated];
  envelopes.forEach(({ body }, index) => {
    const before = envelopes[index - 1];
    const short = before === undefined ? null : shorten(body, before);
    parts.push(...(short === null ? [u32(body.length), body] : [u32(SHORTENED + short.length), short]));
  });
  return concat(...parts);
}

/** Take a body apart; throws `malformed` or `too-large`. */
export function decodeBody(body: Uint8Array, frameBytes = ENVELOPE_BYTES): Body {
  if (body.length > EXCHANGE_BYTES) throw new ProtocolError("too-large", `the body has ${body.length} bytes`);
  const [deflated, afterControl] = part(body, 0);
  const frames: Bytes[] = [];
  const control = inflateWhole(deflated, CONTROL_BYTES);
  let position = afterControl;
  while (position < body.length) {
    if (frames.length === EXCHANGE_FRAMES) throw new ProtocolError("too-large", `more than ${EXCHANGE_FRAMES} frames`);
    const [frame, end] = part(body, position);
    if (frame.length > frameBytes) throw new ProtocolError("too-large", `a frame has ${frame.length} bytes`);
    frames.push(frame);
    position = end;
  }
  return { control, frames };
}

/** Inflate a stream that nothing may follow, to at most so many bytes and to at most the agreed ratio. */
export function inflateWhole(deflated: Uint8Array, limit: number): Bytes {
  const { plain, rest } = inflate(deflated, Math.min(limit, INFLATE_RATIO * deflated.length));
  if (rest.length > 0) throw new ProtocolError("malformed", "bytes follow the end of the deflate stream");
  return plain;
}

function part(body: Uint8Array, position: number): [Bytes, number] {
  if (position + 4 > body.length) throw new ProtocolError("malformed", "the body ends inside a length");
  const end = position + 4 + view(body).getUint32(position);
  if (end > body.length) throw new ProtocolError("malformed", "the body ends inside a frame");
  return [own(body.subarray(position + 4, end)), end];
}
