/** What can go wrong: a code that programs switch on, and a sentence for people that never holds an answer. */
export class ProtocolError extends Error {
  readonly code: string;

  constructor(code: string, detail = "") {
    super(detail ? `${code}: ${detail}` : code);
    this.name = "ProtocolError";
    this.code = code;
  }
}
