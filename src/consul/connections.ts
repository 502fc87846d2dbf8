import { Agent as HttpAgent, type ClientRequest, type RequestOptions } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import type { SecureContext, TLSSocket } from 'node:tls';
import { authorityOf } from '../address.ts';
import { portOf, proxyHeaders } from './proxy.ts';
import type { TlsFiles } from './tls-files.ts';
import { openTunnel } from './tunnel.ts';

export interface ConnectionsOptions {
  /** So many at a time; a request beyond that waits for one of them. */
  readonly most: number;
  /** Undefined for connections in plain text. */
  readonly tls: Pick<TlsFiles, 'context'> | undefined;
  /** Name expected in the certificate of Consul; empty for the host of the address. */
  readonly serverName: string;
  /** Undefined for straight ones. With TLS the proxy passes bytes on, else it is asked for the whole URL. */
  readonly proxy?: URL | undefined;
}

/** A module that requests are made with. */
interface Requesting {
  request(options: RequestOptions): ClientRequest;
}

/**
 * Connections to Consul, each kept for the next request. When the TLS files have something else, new requests get new
 * connections; the old ones end with the requests that are on them, and those that are idle at once.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  #current: { readonly agent: HttpAgent; readonly context: SecureContext | undefined } | undefined;
  /** Agents of earlier files, as long as they have requests. */
  #retired: readonly HttpAgent[] = [];
  /** Tunnels that are being opened: an agent knows of a connection only when it is there. */
  readonly #opening = new Set<() => void>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Where the next request gets its connection. */
  get agent(): HttpAgent {
    const context = this.#options.tls?.context;
    if (this.#current?.context !== context) this.#retire();
    this.#current ??= { agent: this.#open(context), context };
    return this.#current.agent;
  }

  /** @param plain for the scheme of Consul's address, which a proxy may have another of */
  request(plain: Requesting, options: RequestOptions): ClientRequest {
    const { proxy, tls } = this.#options;
    const { agent } = this;
    if (!proxy || tls) return plain.request({ ...options, agent });
    const target = authorityOf(options.hostname ?? '', options.port ?? 80);
    return (proxy.protocol === 'https:' ? https : http).request({
      ...options,
      hostname: unbracketed(proxy.hostname),
      port: portOf(proxy),
      path: `http://${target}${options.path ?? '/'}`,
      headers: { ...(options.headers as http.OutgoingHttpHeaders), host: target, ...proxyHeaders(proxy) },
      agent,
    });
  }

  destroy(): void {
    for (const end of this.#opening) end();
    this.#retire();
    for (const agent of this.#retired) agent.destroy();
  }

  #open(context: SecureContext | undefined): HttpAgent {
    const { most, serverName, proxy } = this.#options;
    const options = { keepAlive: true, maxSockets: most };
    if (!context) return proxy?.protocol === 'https:' ? new https.Agent(options) : new HttpAgent(options);
    const agent = new https.Agent({
      ...options,
      secureContext: context,
      ...(serverName === '' ? {} : { servername: serverName }),
    });
    // The types do not know that an agent makes its connections by this, and that it may tell later.
    return proxy ? Object.assign(agent, { createConnection: this.#tunnelling(proxy, context) }) : agent;
  }

  #tunnelling(proxy: URL, secureContext: SecureContext) {
    return (
      { host, port, rejectUnauthorized }: { host: string; port: number; rejectUnauthorized?: boolean },
      created: (error: Error | null, socket?: TLSSocket) => void,
    ): undefined => {
      const { serverName } = this.#options;
      const target = { host, port, serverName, secureContext, isLook: rejectUnauthorized === false };
      const end = openTunnel(proxy, target, (error, socket) => {
        this.#opening.delete(end);
        created(error, socket);
      });
      this.#opening.add(end);
    };
  }

  #retire(): void {
    if (!this.#current) return;
    const { agent } = this.#current;
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    const isBusy = ({ sockets }: HttpAgent) => Object.keys(sockets).length > 0;
    this.#retired = [...this.#retired, agent].filter(isBusy);
    this.#current = undefined;
  }
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
