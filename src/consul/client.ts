import type { CertificateEnds } from './tls-files.ts';

export interface ConsulRequest {
  /** Verb and object for error messages: "read service orders". */
  readonly purpose: string;
  /** Below /v1, with `{name}` for each parameter, which is then encoded. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** @default 15 s */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConsulAnswer {
  readonly body: unknown;
  /** X-Consul-Index, 0 when it is missing or no number. */
  readonly index: number;
  readonly knownLeader: boolean;
  readonly filteredByAcls: boolean;
  /** Of the token that was sent: what another shows, or does not, is another matter. */
  readonly tokenTerm: number;
}

/** HTTP to Consul: addresses, proxies, TLS, token, deadlines, errors. */
export interface ConsulClient {
  /** @throws ConsulError, which is TokenChanged for a long poll that has to be asked again with another token */
  get(request: ConsulRequest): Promise<ConsulAnswer>;
  /**
   * @param request with the body as JSON text: the caller had to know the size of a large body, and has the text already
   * @throws ConsulError
   */
  put(request: ConsulRequest & { readonly json: string }): Promise<ConsulAnswer>;
  /** For questions with a body; what writes is a PUT. @throws ConsulError */
  post(request: ConsulRequest & { readonly json: string }): Promise<ConsulAnswer>;
  /** Where requests go now. */
  readonly address: string;
  /** Of the token that requests are sent with now. */
  readonly tokenTerm: number;
  /** Why there is no token, where one has to be had by logging in. */
  readonly tokenFailure: string | undefined;
  /** When the certificates of the TLS files end that connections are made with now, by what they are for. */
  readonly certificateEnds: CertificateEnds;
  /** Finishes what is on its way, logs out, and ends all connections; within some seconds. */
  close(): Promise<void>;
}

/** The client, as code that only reads needs it. */
export type ConsulReader = Pick<ConsulClient, 'get'>;
