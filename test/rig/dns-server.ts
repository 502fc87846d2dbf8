import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, type Answer } from 'dns-packet';

const NXDOMAIN = 3;
const SERVFAIL = 2;

/** A DNS server on this machine: A and AAAA records, and faults. */
export class DnsServer {
  readonly #socket: Socket;
  readonly #records = new Map<string, readonly string[]>();
  /** Every question, as `type name`. */
  readonly questions: string[] = [];
  ttlSeconds = 1;
  /** `silent` does not answer, `broken` says that something is wrong with it. */
  mode: 'well' | 'silent' | 'broken' = 'well';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, from) => this.#answer(message, from));
  }

  static async open(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new DnsServer(socket);
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** The name has these addresses, perhaps none, from now on; undefined: there is no such name. */
  set(name: string, addresses: readonly string[] | undefined): void {
    if (addresses === undefined) this.#records.delete(name);
    else this.#records.set(name, addresses);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(message: Buffer, { address, port }: RemoteInfo): void {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    if (!question) return;
    const { name, type } = question;
    this.questions.push(`${type} ${name}`);
    if (this.mode === 'silent') return;
    const addresses = this.#records.get(name.toLowerCase());
    const answers = (addresses ?? [])
      .filter((data) => isIPv6(data) === (type === 'AAAA'))
      .map((data): Answer => ({ type: type === 'AAAA' ? 'AAAA' : 'A', name, ttl: this.ttlSeconds, data }));
    const code = this.mode === 'broken' ? SERVFAIL : addresses ? 0 : NXDOMAIN;
    const reply = encode({
      type: 'response',
      ...(id === undefined ? {} : { id }),
      flags: AUTHORITATIVE_ANSWER | code,
      questions,
      answers: code === 0 ? answers : [],
    });
    this.#socket.send(reply, port, address);
  }
}
