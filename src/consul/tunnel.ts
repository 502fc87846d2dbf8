import { request as plainRequest, type ClientRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { authorityOf } from '../address.ts';
import { isObject } from '../json.ts';
import { portOf, proxyHeaders, proxyName } from './proxy.ts';

/** A proxy that does not answer by then is given up. */
const CONNECT_TIMEOUT_MS = 10_000;

/** No connection came about through the proxy: nothing was sent to Consul. */
export class NoTunnel extends Error {
  readonly code = 'NO_TUNNEL';

  constructor(proxy: URL, target: string, cause: unknown) {
    const why = isObject(cause) && typeof cause.message === 'string' ? cause.message : String(cause);
    super(`connect to ${target} through the proxy ${proxyName(proxy)}: ${why}`);
    this.name = 'NoTunnel';
  }
}

export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
  /** Expected in the certificate of Consul; empty for the host. */
  readonly serverName: string;
  readonly secureContext: SecureContext;
  /** The certificate is looked at and need not be believed: nothing secret may be sent. @default false */
  readonly isLook?: boolean;
}

/**
 * TLS to Consul through a proxy that only passes bytes on (`CONNECT`): the certificate that is verified is Consul's.
 * @param done is called once
 * @returns ends the attempt
 */
export function openTunnel(
  proxy: URL,
  target: TunnelTarget,
  done: (error: Error | null, socket?: TLSSocket) => void,
): () => void {
  const { host, port } = target;
  const authority = authorityOf(host, port);
  const asking = connectRequest(proxy, authority);
  let destroy = (): void => void asking.destroy();
  let isDone = false;
  const end = (cause: unknown, socket?: TLSSocket) => {
    if (isDone) return;
    isDone = true;
    if (socket) return done(null, socket);
    done(new NoTunnel(proxy, authority, cause));
    destroy();
  };
  const closed = () => end(new Error('expected an answer to CONNECT, found the end of the connection'));
  asking.once('connect', ({ statusCode }, socket: Duplex) => {
    // A request whose connection became something else is closed.
    asking.removeListener('close', closed);
    asking.setTimeout(0);
    destroy = () => void socket.destroy();
    if (statusCode !== 200) return end(new Error(`expected 200 to CONNECT, found ${statusCode}`));
    secure(socket, target, end);
  });
  // Whatever is no tunnel.
  asking.once('response', ({ statusCode }) => end(new Error(`expected 200 to CONNECT, found ${statusCode}`)));
  asking.on('error', end);
  asking.once('close', closed);
  const late = () => end(new Error(`expected an answer to CONNECT within ${CONNECT_TIMEOUT_MS / 1000} s, found none`));
  asking.setTimeout(CONNECT_TIMEOUT_MS, late);
  asking.end();
  return () => end(new Error('it was called off'));
}

function secure(socket: Duplex, target: TunnelTarget, end: (cause: unknown, socket?: TLSSocket) => void): void {
  const { host, serverName, secureContext, isLook = false } = target;
  const name = serverName === '' ? host : serverName;
  // There is no server name that is an IP address (RFC 6066); the certificate is compared with the host then.
  const servername = isIP(name) === 0 ? name : '';
  const secured = connect({
    ...{ socket, secureContext, host: name, servername },
    ...(isLook ? { rejectUnauthorized: false } : {}),
  });
  const closed = () => end(new Error('expected a TLS handshake, found the end of the connection'));
  secured.setTimeout(CONNECT_TIMEOUT_MS, () => secured.destroy(new Error('expected a TLS handshake, found silence')));
  secured.once('error', end);
  secured.once('close', closed);
  secured.once('secureConnect', () => {
    secured.setTimeout(0);
    secured.removeAllListeners('timeout');
    secured.removeListener('error', end);
    secured.removeListener('close', closed);
    end(undefined, secured);
  });
}

function connectRequest(proxy: URL, authority: string): ClientRequest {
  const request = proxy.protocol === 'https:' ? tlsRequest : plainRequest;
  return request({
    hostname: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(proxy),
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...proxyHeaders(proxy) },
    agent: false,
  });
}
