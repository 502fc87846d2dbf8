import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { inBackground } from '../background.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { ConsulConfig } from '../config/schema.ts';
import { firstEnd, knownEnds, lastEnd } from '../observability/certificate-ends.ts';
import { explainError, type Log } from '../observability/log.ts';

/** Files that were replaced are noticed this quickly, as a token is, and at once after a request that got no answer. */
const LOOK_MS = 5000;

export type TlsPaths = Pick<ConsulConfig, 'caFile' | 'certFile' | 'keyFile'>;

export interface TlsPace {
  /** After so long the files are looked at again. @default LOOK_MS */
  readonly lookMs?: number | undefined;
  /** @default that of the process */
  readonly clock?: Pick<Clock, 'now'>;
}

/** When certificates end, by what they are for. */
export type CertificateEnds = ReadonlyMap<'consul-ca' | 'consul-client', Date>;

/** What is in the files; undefined where none is named. */
interface Contents {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * The CA and the client certificate for connections to Consul, as the files have them. They are read again while requests go
 * on with what was read before: no request waits for the disk.
 *
 * | the files                                              | new connections are made with | told          |
 * |--------------------------------------------------------|-------------------------------|---------------|
 * | are as they were                                       | the same as before            |               |
 * | have something else that can be used                   | that                          | yes           |
 * | cannot be read, are cut off, or do not fit to another  | the same as before            | once, and why |
 */
export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #log: Log;
  readonly #lookMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  #contents: Contents;
  #context: SecureContext;
  #lookedAt: number;
  #look: Promise<void> | undefined;
  #failure: string | undefined;
  #ends: CertificateEnds;

  /** @throws Error when the files cannot be used: there is nothing else to begin with. */
  constructor(paths: TlsPaths, log: Log, { lookMs = LOOK_MS, clock = systemClock }: TlsPace = {}) {
    this.#paths = paths;
    this.#log = log;
    this.#lookMs = lookMs;
    this.#clock = clock;
    const contentsOf = (path: string) => (path === '' ? undefined : readFileSync(path, 'utf8'));
    this.#contents = {
      ca: contentsOf(paths.caFile),
      cert: contentsOf(paths.certFile),
      key: contentsOf(paths.keyFile),
    };
    this.#context = contextOf(this.#contents, paths);
    this.#ends = endsOf(this.#contents);
    this.#lookedAt = clock.now();
  }

  /** What a new connection is secured with: another value each time that the files have something else. */
  get context(): SecureContext {
    if (this.#clock.now() - this.#lookedAt >= this.#lookMs) inBackground(this.look());
    return this.#context;
  }

  /** When the certificates end that are in use; none of a file that is not named. */
  get ends(): CertificateEnds {
    return this.#ends;
  }

  /** Looks at the files now. Never rejects. */
  look(): Promise<void> {
    return (this.#look ??= this.#readAgain().finally(() => (this.#look = undefined)));
  }

  async #readAgain(): Promise<void> {
    this.#lookedAt = this.#clock.now();
    try {
      const contents = await read(this.#paths);
      if (!isSame(contents, this.#contents)) {
        this.#context = contextOf(contents, this.#paths);
        this.#contents = contents;
        this.#ends = endsOf(contents);
        this.#log.info('TLS files for Consul changed, new connections use them', { ...this.#paths });
      }
      this.#failure = undefined;
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    const why = explainError(error);
    if (why !== this.#failure)
      this.#log.warn('TLS files for Consul cannot be used, going on with what was in them', { error });
    this.#failure = why;
  }
}

function endsOf({ ca = '', cert = '' }: Contents): CertificateEnds {
  return knownEnds([
    ['consul-ca', lastEnd(ca)],
    ['consul-client', firstEnd(cert)],
  ]);
}

async function read({ caFile, certFile, keyFile }: TlsPaths): Promise<Contents> {
  const contentsOf = async (path: string) => (path === '' ? undefined : readFile(path, 'utf8'));
  const [ca, cert, key] = await Promise.all([contentsOf(caFile), contentsOf(certFile), contentsOf(keyFile)]);
  return { ca, cert, key };
}

function isSame(a: Contents, b: Contents): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}

/** @throws Error when a file is cut off, or the key is not that of the certificate */
function contextOf({ ca, cert, key }: Contents, { caFile, certFile, keyFile }: TlsPaths): SecureContext {
  if (ca !== undefined) certificatesIn(ca, caFile);
  const [own] = cert === undefined ? [] : certificatesIn(cert, certFile);
  if (own && key !== undefined && !own.checkPrivateKey(privateKeyIn(key, keyFile)))
    throw new Error(`read TLS file ${keyFile}: expected the key of the certificate in ${certFile}, found another one`);
  return createSecureContext({ ca, cert, key });
}

/** OpenSSL takes a file that is cut off for one with fewer certificates, or with none. */
function certificatesIn(contents: string, path: string): X509Certificate[] {
  const begun = contents.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g) ?? [];
  const whole = contents.match(/-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^-]*-----END \1-----/g) ?? [];
  if (whole.length === 0 || whole.length < begun.length)
    throw new Error(
      `read TLS file ${path}: expected certificates in PEM, found ${whole.length} whole of ${begun.length}`,
    );
  try {
    return whole.map((certificate) => new X509Certificate(certificate));
  } catch (cause) {
    throw new Error(`read TLS file ${path}: expected certificates that can be read`, { cause });
  }
}

function privateKeyIn(contents: string, path: string): KeyObject {
  try {
    return createPrivateKey(contents);
  } catch (cause) {
    throw new Error(`read TLS file ${path}: expected a private key in PEM`, { cause });
  }
}
