import {
  Agent,
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { until } from './until.ts';

/**
 * What becomes of a request: `lose` lets it through to Consul, and drops the reply once the promise resolves; `held` hands
 * the reply on then; `keep` is told that Consul has answered, and the reply goes on when its promise resolves; `without`
 * hands it on without that header; `late` drops the connection at once, and lets the request through to Consul when the
 * promise resolves; `change` hands on what it makes of the reply.
 */
export type Fault =
  | 'pass'
  | 'reset'
  | { readonly status: number; readonly text: string }
  | { readonly lose: Promise<unknown> }
  | { readonly held: Promise<unknown> }
  | { readonly without: string }
  | { readonly late: Promise<unknown> }
  | { readonly keep: () => Promise<unknown> }
  | { readonly change: (reply: Reply) => Changed };

/** A reply of Consul, without the length of its body. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
/** What is changed of it; or all that is written, which ends the connection. */
export type Changed = Partial<Omit<Reply, 'body'> & { readonly body: Body }> | { readonly raw: string };
/** Pieces come in chunks, as long as somebody reads them. */
type Body = string | Buffer | Iterable<Buffer>;

export interface SeenOperation {
  readonly kind: 'Node' | 'Service' | 'Check';
  readonly verb: string;
  readonly node: string;
  /** Of the service instance, which its check shares; empty for a node. */
  readonly id: string;
  /** The index that the operation names. */
  readonly index: number;
  /** What is to be written, in the words of Consul. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface SeenTransaction {
  readonly operations: readonly SeenOperation[];
  readonly bytes: number;
  /** When it came and when it was answered, by a clock that ticks at each of these; Infinity while it is in flight. */
  readonly arrived: number;
  answered: number;
  /** What Consul answered, or the proxy in its place; 0 when nobody answered. */
  status: number;
}

/** Lets the transactions go that it held, and holds no more; a later gate goes on holding. */
export interface Gate {
  release(): void;
}

/**
 * Stands between a daemon and the real Consul, and spoils what it is told to spoil: it delays, refuses, resets and loses
 * replies. It writes down every transaction. It never makes up what is in the catalog: all of that is Consul's answer.
 *
 * What Consular says of itself on a node of its own comes when it comes, and is no business of a test that counts or
 * holds transactions: those that are about that node alone pass unseen, and so does the fence, alone or before others.
 */
export class FaultProxy {
  readonly transactions: SeenTransaction[] = [];
  /** Asked for each transaction before it is passed on; a promise holds the transaction. */
  transactionFault: (transaction: SeenTransaction) => Fault | Promise<Fault> = () => 'pass';
  /** Asked for everything else, by its path below /v1 and its query. */
  readFault: (path: string) => Fault = () => 'pass';
  /** Loses the token of each request on its way: to Consul it is anybody's. */
  isAnonymous = false;
  #target: URL;
  readonly #unseenNode: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((incoming, outgoing) => {
    this.#handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  #clock = 0;
  #answering = 0;

  private constructor(target: string, unseenNode: string) {
    this.#target = new URL(target);
    this.#unseenNode = unseenNode;
  }

  static async open(target: string, unseenNode: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, unseenNode);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get inFlight(): SeenTransaction[] {
    return this.transactions.filter(({ answered }) => answered === Infinity);
  }

  /** How many questions are to be answered, without those that wait for a change. */
  get answering(): number {
    return this.#answering;
  }

  /** From now on transactions wait here. */
  hold(): Gate {
    let open: (() => void) | undefined;
    const opened = new Promise<Fault>((resolve) => (open = () => resolve('pass')));
    const held = () => opened;
    this.transactionFault = held;
    return {
      release: () => {
        if (this.transactionFault === held) this.transactionFault = () => 'pass';
        open?.();
      },
    };
  }

  async untilInFlight(count: number): Promise<void> {
    await until(`${count} transactions in flight`, () => Promise.resolve(this.inFlight.length === count));
  }

  /**
   * From now on it leads to another Consul, as an address does that was changed.
   * @param keepsConnections those that are open, and what waits in them, stay with the Consul of before
   */
  lead(target: string, { keepsConnections = false } = {}): void {
    this.#target = new URL(target);
    if (!keepsConnections) this.#server.closeAllConnections();
  }

  /** How many connections to it are open. */
  connections(): Promise<number> {
    return promisify(this.#server.getConnections.bind(this.#server))();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#agent.destroy();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = (incoming.url ?? '').replace(/^\/v1/, '');
    if (incoming.method !== 'PUT' || path.split('?')[0] !== '/txn') {
      if (!path.includes('index=')) this.#countUntilClosed(outgoing);
      return void (await this.#apply(this.readFault(path), incoming, outgoing));
    }
    const body = await text(incoming);
    const written = JSON.parse(body) as WrittenOperation[];
    const operations = written.filter((operation) => !('KV' in operation)).map(readOperation);
    if (operations.every(({ node }) => node === this.#unseenNode))
      return void (await this.#apply('pass', incoming, outgoing, body));
    const transaction = this.#record(operations, Buffer.byteLength(body));
    transaction.status = await this.#apply(await this.transactionFault(transaction), incoming, outgoing, body);
    transaction.answered = this.#clock++;
  }

  #countUntilClosed(outgoing: ServerResponse): void {
    this.#answering++;
    outgoing.on('close', () => this.#answering--);
  }

  #record(operations: readonly SeenOperation[], bytes: number): SeenTransaction {
    const transaction = { operations, bytes, arrived: this.#clock++, answered: Infinity, status: 0 };
    this.transactions.push(transaction);
    return transaction;
  }

  /** The status that was answered, or that would have been. */
  async #apply(fault: Fault, incoming: IncomingMessage, outgoing: ServerResponse, body?: string): Promise<number> {
    if (fault === 'reset') {
      incoming.socket.resetAndDestroy();
      return 0;
    }
    if (fault !== 'pass' && 'status' in fault) {
      outgoing.writeHead(fault.status, { 'content-type': 'text/plain; charset=utf-8' }).end(fault.text);
      return fault.status;
    }
    if (fault !== 'pass' && 'late' in fault) {
      incoming.socket.resetAndDestroy();
      await fault.late;
    }
    const answer = await this.#forward(incoming, outgoing, body);
    const status = answer.statusCode ?? 0;
    if (fault !== 'pass' && ('late' in fault || 'lose' in fault)) {
      await text(answer);
      if ('late' in fault) return status;
      await fault.lose;
      incoming.socket.resetAndDestroy();
      return status;
    }
    if (fault !== 'pass' && 'keep' in fault) {
      const reply = await text(answer);
      await fault.keep();
      outgoing.writeHead(status, answer.headers).end(reply);
      return status;
    }
    if (fault !== 'pass' && 'change' in fault) {
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
      const given = { status, headers, body: await text(answer) };
      const changed = fault.change(given);
      if ('raw' in changed) incoming.socket.end(changed.raw);
      else await send({ ...given, ...changed }, outgoing);
      return status;
    }
    if (fault !== 'pass' && 'without' in fault) delete answer.headers[fault.without];
    if (fault !== 'pass' && 'held' in fault) await fault.held;
    outgoing.writeHead(status, answer.headers);
    answer.pipe(outgoing);
    return status;
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, body: string | undefined): Promise<IncomingMessage> {
    const { method, url, headers } = incoming;
    if (this.isAnonymous) delete headers['x-consul-token'];
    return new Promise((resolve, reject) => {
      const onward = request(new URL(url ?? '', this.#target), { method, headers, agent: this.#agent }, resolve);
      onward.on('error', reject);
      // Whoever gave up a long poll must not leave it behind at Consul.
      outgoing.on('close', () => onward.destroy());
      if (body === undefined) incoming.pipe(onward);
      else onward.end(body);
    });
  }
}

async function send(
  { status, headers, body }: Omit<Reply, 'body'> & { readonly body: Body },
  outgoing: ServerResponse,
): Promise<void> {
  outgoing.writeHead(status, headers);
  if (typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body);
  // Whoever asked may give it up.
  else await pipeline(Readable.from(body), outgoing).catch(() => undefined);
}

type Fields = Record<string, unknown>;
type WrittenOperation = Partial<Record<'Node' | 'Service' | 'Check' | 'KV', Fields>>;

function readOperation(operation: WrittenOperation): SeenOperation {
  for (const kind of ['Node', 'Service', 'Check'] as const) {
    const written = operation[kind];
    if (!written) continue;
    const body = written[kind] as Fields;
    return {
      kind,
      verb: String(written.Verb),
      node: String(kind === 'Service' ? written.Node : body.Node),
      id: kind === 'Node' ? '' : String(kind === 'Service' ? body.ID : body.CheckID),
      index: Number(body.ModifyIndex),
      body,
    };
  }
  throw new Error(`read operation: expected one on a node, a service or a check, found ${JSON.stringify(operation)}`);
}
