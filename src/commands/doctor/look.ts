import type { X509Certificate } from 'node:crypto';
import * as http from 'node:http';
import type { ClientRequest } from 'node:http';
import * as https from 'node:https';
import { TLSSocket, type SecureContext } from 'node:tls';
import { Connections } from '../../consul/connections.ts';
import { portOf } from '../../consul/proxy.ts';

/** A server, as a stranger sees it who asks and believes nothing. */
export interface Look {
  /** What its Date header says; undefined when there was no answer, or one without. */
  readonly date: Date | undefined;
  /** Milliseconds since the epoch, by our clock: when we asked, and when the answer was there. */
  readonly askedMs: number;
  readonly answeredMs: number;
  /** The certificate that it presented; undefined in plain text. */
  readonly certificate: Presented | undefined;
  /** Why there was no answer. */
  readonly failure: Error | undefined;
}

export interface Presented {
  readonly subject: string;
  readonly issuer: string;
  readonly names: string;
  readonly validTo: Date;
  /** Why it cannot be believed, a code of Node.js or OpenSSL; undefined when it can. */
  readonly problem: string | undefined;
}

export interface LookOptions {
  /** The CA to believe, and our certificate. @default the system's, and none */
  readonly context?: SecureContext | undefined;
  /** Name expected in the certificate. @default the host of the address */
  readonly serverName?: string;
  /** That the server is asked through, as the daemon does it. @default none */
  readonly proxy?: URL | undefined;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/**
 * Asks for a path without credentials and without belief in the certificate, so that what is wrong with it can be seen.
 * Nothing of the answer is used but its Date. Never rejects.
 */
export function lookAt(url: URL, { context, serverName = '', proxy, signal, now }: LookOptions): Promise<Look> {
  const askedMs = now();
  return new Promise((resolve) => {
    let certificate: Presented | undefined;
    const end = (date: string | undefined, failure: Error | undefined) => {
      const time = new Date(date ?? '');
      const isTime = !Number.isNaN(time.getTime());
      resolve({ date: isTime ? time : undefined, askedMs, answeredMs: now(), certificate, failure });
    };
    // Of a proxy, as of the server: a connection of its own, which nobody else gets to use.
    const connections = proxy && new Connections({ most: 1, tls: context && { context }, serverName, proxy });
    const request = send(url, { context, serverName, signal }, connections);
    request.once('close', () => connections?.destroy());
    request.once('socket', (socket) => {
      // The certificate of a proxy is not that of the server.
      if (!(socket instanceof TLSSocket) || url.protocol !== 'https:') return;
      // Through a tunnel it is secure before there is a request on it.
      if (socket.getPeerX509Certificate()) certificate = presented(socket);
      else socket.once('secureConnect', () => (certificate = presented(socket)));
    });
    request.once('response', (answer) => {
      answer.resume();
      end(answer.headers.date, undefined);
      request.destroy();
    });
    request.on('error', (error) => end(undefined, error));
    request.end();
  });
}

function send(
  url: URL,
  { context, serverName, signal }: Omit<LookOptions, 'now' | 'proxy'>,
  connections: Connections | undefined,
): ClientRequest {
  if (connections) {
    const { hostname, pathname: path } = url;
    const options = { hostname, port: portOf(url), path, method: 'GET', signal };
    // A proxy is believed as little as by the daemon: it may be sent our credentials for it.
    if (url.protocol !== 'https:') return connections.request(http, options);
    const unbelieving: https.RequestOptions = { ...options, rejectUnauthorized: false };
    return connections.request(https, unbelieving);
  }
  const options = { agent: false, signal } as const;
  if (url.protocol !== 'https:') return http.request(url, options);
  return https.request(url, {
    ...options,
    rejectUnauthorized: false,
    ...(context ? { secureContext: context } : {}),
    ...(serverName ? { servername: serverName } : {}),
  });
}

function presented(socket: TLSSocket): Presented | undefined {
  const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: certificate.subjectAltName ?? '',
    validTo: new Date(certificate.validTo),
    problem: socket.authorized ? undefined : String(socket.authorizationError),
  };
}

function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
