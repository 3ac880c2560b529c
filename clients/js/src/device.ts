/**
 * A device: it enrols, seals interviews into its chain, and exchanges with the office.
 *
 * Its state is one plain object that a `Store` keeps; `save` must be durable when it returns, because a used key, a taken
 * counter and an offered envelope must never come back. An envelope leaves `sent` only by a word of the server that
 * verifies; until then it is asked for by its hash before its bytes go again. Nothing is ever deleted here.
 */
import { type Bytes, concat, random } from "./bytes.ts";
import { EXCHANGE_BYTES, CONTROL_BYTES, EXCHANGE_FRAMES, Kind, NO_HASH } from "./constants.ts";
import { activeKey, type Keyring, readKeyring } from "./documents.ts";
import { enrolmentRequest, type EnrolmentLink, PATH_ENROL, readEnrolment } from "./enrolment.ts";
import { envelopeId, makeEpoch } from "./epoch.ts";
import { seal } from "./envelope.ts";
import { ProtocolError } from "./errors.ts";
import { x25519PublicKey } from "./hpke.ts";
import { newest, receiptKey } from "./keyring.ts";
import {
  decodeAnswer, decodeProblem, encodeRequest, type ExchangeAnswer, MEDIA_TYPE_EXCHANGE, PATH_EXCHANGE, type Problem, type Pulled,
  ReceiptCode,
} from "./messages.ts";
import type { Medium } from "./plaintext.ts";
import { sha256, type Signer, signerOf } from "./primitives.ts";
import { contentKey, nextKey } from "./ratchet.ts";
import { answerKeyId, type Headers, signRequest, verifyAnswer } from "./signatures.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Bytes;
}

/** Carries one request; throws when no whole answer came. */
export type Transport = (method: string, path: string, headers: Headers, body: Bytes) => Promise<Reply>;

export type Fate = "waiting" | "sent" | "receipted" | "refused";

export interface Stored {
  readonly id: Bytes;
  readonly body: Bytes;
  fate: Fate;
  code: number | null;
  serverSequence: number | null;
}

export interface State {
  readonly signingSeed: Bytes;
  readonly receivingSeed: Bytes;
  readonly baseUrl: string;
  readonly rootKey: Bytes;
  readonly deviceId: string;
  readonly certificateHash: Bytes;
  keyring: Bytes;
  counter: number;
  cursor: string | null;
  backedUpSequence: number | null;
  /** The open epoch of each mode: its key is that of the next index. */
  epochs: Record<string, { day: string; surveyKeyId: string; suite: number; hash: Bytes; index: number; key: Bytes }>;
  envelopes: Stored[];
}

export interface Store {
  /** Keep the state, and what is new with it, in one step: the office tells each thing once for each cursor. */
  save(state: State, news: readonly Pulled[]): Promise<void>;
}

export interface Interview {
  readonly instanceXml: Uint8Array;
  readonly instanceId: Bytes;
  readonly formVersionHash: Bytes;
  readonly parents?: readonly Bytes[];
  readonly mode?: string;
  readonly media?: readonly Medium[];
  readonly dictionary?: Uint8Array;
}

const EPOCH_STEPS = 4096;
const CORRECTIONS = 3;
const HAVE_LIMIT = 2_000;

export class Device {
  readonly #state: State;
  readonly #store: Store;
  readonly #signer: Signer;
  #keyring: Keyring;
  #sealing: Promise<unknown> = Promise.resolve();
  #saving: Promise<unknown> = Promise.resolve();
  #syncing: Promise<unknown> = Promise.resolve();

  private constructor(state: State, store: Store, signer: Signer, keyring: Keyring) {
    this.#state = state;
    this.#store = store;
    this.#signer = signer;
    this.#keyring = keyring;
  }

  /** Become known to an office; the same link with the same seeds may be tried again when an answer was lost. */
  static async enrol(
    link: EnrolmentLink,
    transport: Transport,
    store: Store,
    seeds = { signing: random(32), receiving: random(32) },
  ): Promise<Device> {
    const signer = await signerOf(seeds.signing);
    const receivingKey = await x25519PublicKey(seeds.receiving);
    const body = await enrolmentRequest(link, signer, receivingKey);
    const reply = await transport("POST", PATH_ENROL, { "Content-Type": "application/json" }, body);
    if (reply.status !== 200 && reply.status !== 201) throw refusal(decodeProblem(reply.body));
    const asked = { method: "POST", path: PATH_ENROL, digest: await sha256(body) };
    const enrolled = await readEnrolment(reply, asked, link, { signingKey: signer.publicKey, receivingKey });
    const state: State = {
      signingSeed: seeds.signing,
      receivingSeed: seeds.receiving,
      baseUrl: link.baseUrl,
      rootKey: link.rootKey,
      deviceId: enrolled.certificate.deviceId,
      certificateHash: await sha256(enrolled.certificateDocument),
      keyring: enrolled.keyring.document,
      counter: 0,
      cursor: null,
      backedUpSequence: null,
      epochs: {},
      envelopes: [],
    };
    await store.save(state, []);
    return new Device(state, store, signer, enrolled.keyring);
  }

  /** Go on from a state that was saved. */
  static async open(state: State, store: Store): Promise<Device> {
    return new Device(state, store, await signerOf(state.signingSeed), await readKeyring(state.keyring, state.rootKey));
  }

  get id(): string {
    return this.#state.deviceId;
  }

  get envelopes(): readonly Readonly<Stored>[] {
    return this.#state.envelopes;
  }

  /**
   * Seal one finished interview; it is kept, and its key gone, when this resolves.
   *
   * One after the other, however many are asked for at once: two would take the same step of the ratchet.
   */
  seal(interview: Interview, now = new Date()): Promise<Bytes> {
    const sealed = this.#sealing.then(() => this.#seal(interview, now));
    this.#sealing = sealed.catch(() => undefined);
    return sealed;
  }

  async #seal(interview: Interview, now: Date): Promise<Bytes> {
    const epoch = await this.#epoch(interview.mode ?? "survey", now);
    const body = await seal(
      {
        kind: Kind.INTERVIEW,
        suite: epoch.suite,
        epochHash: epoch.hash,
        index: epoch.index,
        ...this.#chainEnd(),
        instanceId: interview.instanceId,
        parents: interview.parents ?? [],
        formVersionHash: interview.formVersionHash,
        dictionaryHash: interview.dictionary === undefined ? NO_HASH : await sha256(interview.dictionary),
        certificateHash: this.#state.certificateHash,
      },
      await contentKey(epoch.key, epoch.hash, epoch.index),
      this.#signer,
      {
        manifest: { deviceTime: `${now.toISOString().slice(0, 19)}+00:00`, media: interview.media ?? [] },
        document: interview.instanceXml,
        dictionary: interview.dictionary,
      },
    );
    epoch.key = await nextKey(epoch.key);
    epoch.index += 1;
    const id = await this.#append(body);
    await this.#save([]);
    return id;
  }

  /** Exchange until nothing waits and nothing is new. Throws the office's refusal; what was settled by then stays. */
  sync(transport: Transport, now = new Date()): Promise<void> {
    const synced = this.#syncing.then(() => this.#sync(transport, now));
    this.#syncing = synced.catch(() => undefined);
    return synced;
  }

  /** Save in the order of what happened: a store that is slow must not put an older state over a newer one. */
  #save(news: readonly Pulled[]): Promise<void> {
    const saved = this.#saving.then(() => this.#store.save(this.#state, news));
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  async #sync(transport: Transport, now: Date): Promise<void> {
    for (let corrections = 0, goesOn = true; goesOn; ) {
      const { answer, problem, isProgress } = await this.#exchange(transport, now);
      if (problem !== null) {
        if (problem.retry !== "same" || ++corrections > CORRECTIONS) throw refusal(problem);
        await this.#correct(problem);
        continue;
      }
      corrections = 0;
      const isLeft = this.#state.envelopes.some((entry) => entry.fate === "waiting" || entry.fate === "sent");
      goesOn = answer.more || (isLeft && isProgress);
    }
  }

  async #exchange(transport: Transport, now: Date): Promise<Exchanged> {
    const asked = this.#state.envelopes.filter((entry) => entry.fate === "sent").slice(0, HAVE_LIMIT);
    const offered = this.#batch();
    for (const entry of offered) entry.fate = "sent";
    this.#state.counter += 1;
    await this.#save([]);
    const body = encodeRequest({
      deviceId: this.id,
      counter: this.#state.counter,
      since: this.#state.cursor,
      have: asked.map((entry) => entry.id.subarray(0, 16)),
      envelopes: offered,
      deviceTime: now,
      keyringSerial: this.#keyring.serial,
    });
    const headers = await signRequest("POST", PATH_EXCHANGE, body, this.id, this.#signer);
    const reply = await transport("POST", PATH_EXCHANGE, { "Content-Type": MEDIA_TYPE_EXCHANGE, ...headers }, body);
    const answer = reply.status === 200 ? decodeAnswer(reply.body) : null;
    const problem = answer === null ? decodeProblem(reply.body) : null;
    await this.#verify(reply, answer, problem, await sha256(body));
    const entries = [...offered, ...asked]; // receipts count the frames first, then the hashes
    if (problem !== null) {
      for (const entry of offered) entry.fate = "waiting"; // a refusal that verifies says that nothing was stored
      await this.#save([]);
      return { answer: null, problem, isProgress: false };
    }
    const isProgress = await this.#settle(answer as ExchangeAnswer, entries);
    return { answer: answer as ExchangeAnswer, problem: null, isProgress };
  }

  /** Believe an answer of a receipt key of the keyring, or of a newer one that the same answer brings under the root. */
  async #verify(reply: Reply, answer: ExchangeAnswer | null, problem: Problem | null, digest: Bytes): Promise<void> {
    const brought = answer?.pull.filter((item) => item.kind === "keyring").map((item) => item.frame) ?? [problem?.keyring];
    const documents = brought.filter((document) => document !== null && document !== undefined);
    const keyring = await newest(this.#keyring, documents, this.#state.rootKey);
    const key = await receiptKey(keyring, answerKeyId(reply.headers));
    await verifyAnswer(reply.status, reply.body, reply.headers, { method: "POST", path: PATH_EXCHANGE, digest }, key);
    this.#keyring = keyring;
    this.#state.keyring = keyring.document;
  }

  /** Take receipts; say whether any envelope has come further: kept, set aside, or known to have to go again. */
  async #settle(answer: ExchangeAnswer, entries: readonly Stored[]): Promise<boolean> {
    const receipts = new Map(answer.receipts.map((receipt) => [receipt.index, receipt]));
    if ([...receipts.keys()].some((index) => index < 0 || index >= entries.length)) {
      throw new ProtocolError("malformed", "a receipt names an entry that was not in the request");
    }
    entries.forEach((entry, index) => {
      const receipt = receipts.get(index);
      entry.code = receipt?.code ?? entry.code;
      if (receipt === undefined || receipt.code > ReceiptCode.TOO_LARGE) entry.fate = "waiting";
      else entry.fate = receipt.code === ReceiptCode.TOO_LARGE ? "refused" : "receipted";
      entry.serverSequence = receipt?.sequence ?? entry.serverSequence;
    });
    this.#state.cursor = answer.cursor;
    this.#state.backedUpSequence = answer.backedUpSequence;
    await this.#save(answer.pull);
    return entries.some((entry, index) => entry.fate !== "waiting" || !receipts.has(index));
  }

  async #correct(problem: Problem): Promise<void> {
    if (problem.nextCounter !== null) this.#state.counter = Math.max(this.#state.counter, problem.nextCounter - 1);
    if (problem.slug === "cursor-expired") {
      this.#state.cursor = null; // the server was restored: it may have lost what it receipted, so ask again by hash
      this.#state.backedUpSequence = null;
      for (const entry of this.#state.envelopes) if (entry.fate === "receipted") entry.fate = "sent";
    }
    await this.#save([]);
  }

  #batch(): Stored[] {
    const batch: Stored[] = [];
    let room = EXCHANGE_BYTES - CONTROL_BYTES;
    for (const entry of this.#state.envelopes) {
      if (entry.fate !== "waiting") continue;
      room -= entry.body.length + 4;
      if (batch.length === EXCHANGE_FRAMES || (batch.length > 0 && room < 0)) break;
      batch.push(entry);
    }
    return batch;
  }

  async #epoch(mode: string, now: Date): Promise<State["epochs"][string]> {
    const key = activeKey(this.#keyring, mode);
    const day = now.toISOString().slice(0, 10);
    const known = this.#state.epochs[mode];
    if (known?.day === day && known.surveyKeyId === key.id && known.index < EPOCH_STEPS) return known;
    const epochKey = random(32);
    const body = await makeEpoch(
      { surveyKey: key, certificateHash: this.#state.certificateHash, ...this.#chainEnd(), nonce: random(32), epochKey },
      this.#signer,
    );
    const hash = await this.#append(body);
    const made = { day, surveyKeyId: key.id, suite: key.suite, hash, index: 0, key: epochKey };
    this.#state.epochs[mode] = made;
    return made;
  }

  #chainEnd(): { sequence: bigint; previous: Bytes } {
    const { envelopes } = this.#state;
    return { sequence: BigInt(envelopes.length + 1), previous: envelopes.at(-1)?.id ?? NO_HASH };
  }

  async #append(body: Bytes): Promise<Bytes> {
    const id = await envelopeId(body);
    this.#state.envelopes.push({ id, body, fate: "waiting", code: null, serverSequence: null });
    return id;
  }
}

type Exchanged =
  | { readonly answer: ExchangeAnswer; readonly problem: null; readonly isProgress: boolean }
  | { readonly answer: null; readonly problem: Problem; readonly isProgress: boolean };

function refusal(problem: Problem): ProtocolError {
  return new ProtocolError(problem.slug, problem.detail);
}

/** A transport over `fetch`. */
export function httpTransport(baseUrl: string): Transport {
  return async (method, path, headers, body) => {
    const response = await fetch(baseUrl + path, { method, headers, body, redirect: "manual" });
    const parts: Uint8Array[] = [];
    let length = 0;
    const reader = response.body?.getReader();
    for (let read = await reader?.read(); read !== undefined && !read.done; read = await reader?.read()) {
      length += read.value.length;
      if (length > EXCHANGE_BYTES) throw new ProtocolError("too-large", `an answer has at most ${EXCHANGE_BYTES} bytes`);
      parts.push(read.value);
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), body: concat(...parts) };
  };
}

