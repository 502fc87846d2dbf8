import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/**
 * A forward proxy as companies have them: it passes requests for `http` URLs on, and bytes after CONNECT. The names that it is
 * asked for lead to where the test says, as its own DNS would say.
 */
export class ForwardProxy {
  /** `GET http://consul.test:8500` or `CONNECT consul.test:8501`, each once. */
  readonly asked = new Set<string>();
  /** Of the header proxy-authorization; undefined for a proxy that asks for none. */
  credentials: string | undefined;
  readonly #names: ReadonlyMap<string, string>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(names: Readonly<Record<string, string>>) {
    this.#names = new Map(Object.entries(names));
    this.#server = createServer((incoming, outgoing) => {
      const url = new URL(incoming.url ?? '');
      this.asked.add(`${incoming.method} ${url.origin}`);
      if (!this.#lets(incoming.headers['proxy-authorization'])) return void outgoing.writeHead(407).end('who are you?');
      const { 'proxy-authorization': _, ...headers } = incoming.headers;
      const [hostname, port] = this.#place(url.hostname, url.port);
      const path = `${url.pathname}${url.search}`;
      const onward = request({ hostname, port, path, method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.writeHead(502).end('nobody there'));
      outgoing.on('close', () => onward.destroy());
      incoming.pipe(onward);
    });
    this.#server.on('connect', ({ url = '', headers }, socket: Socket) => {
      this.asked.add(`CONNECT ${url}`);
      socket.on('error', () => undefined);
      if (!this.#lets(headers['proxy-authorization'])) return void socket.end('HTTP/1.1 407 Who are you\r\n\r\n');
      const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(url) ?? [];
      const [hostname, realPort] = this.#place(host, port);
      const onward = connect(Number(realPort), hostname, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.end('HTTP/1.1 502 Nobody there\r\n\r\n'));
      socket.on('close', () => onward.destroy());
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param names `consul.test:8500` to `127.0.0.1:12345` */
  static async open(names: Readonly<Record<string, string>>): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(names);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `127.0.0.1:12345`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #lets(header: string | undefined): boolean {
    return this.credentials === undefined || header === `Basic ${btoa(this.credentials)}`;
  }

  #place(hostname: string, port: string): readonly [string, string] {
    const [host = hostname, real = port] = this.#names.get(`${hostname}:${port}`)?.split(':') ?? [];
    return [host, real];
  }
}
