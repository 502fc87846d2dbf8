import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { SecureContext } from 'node:tls';
import type { TlsFiles } from './tls-files.ts';

export interface ConnectionsOptions {
  /** So many at a time; a request beyond that waits for one of them. */
  readonly most: number;
  /** Undefined for connections in plain text. */
  readonly tls: Pick<TlsFiles, 'context'> | undefined;
  /** Name expected in the certificate of Consul; empty for the host of the address. */
  readonly serverName: string;
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

  destroy(): void {
    this.#retire();
    for (const agent of this.#retired) agent.destroy();
  }

  #open(context: SecureContext | undefined): HttpAgent {
    const { most, serverName } = this.#options;
    const options = { keepAlive: true, maxSockets: most };
    if (!context) return new HttpAgent(options);
    return new HttpsAgent({
      ...options,
      secureContext: context,
      ...(serverName === '' ? {} : { servername: serverName }),
    });
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
