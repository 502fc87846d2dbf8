import type { ConsulConfig } from '../config/schema.ts';
import type { Log } from '../observability/log.ts';
import { Addresses } from './addresses.ts';
import { readServers } from './catalog-reader.ts';
import { ConsulError, TokenChanged } from './errors.ts';
import { Login, type LoginApi } from './login.ts';
import { fixedToken, TokenFile, type TokenSource, type TokenUse } from './tokens.ts';
import type { Verb } from './transport.ts';
import { isLongPoll, openWires, type Exchange, type WiresOptions } from './wires.ts';
import type { ConsulAnswer, ConsulClient, ConsulRequest } from './client.ts';

/**
 * @throws Error when a TLS file or a proxy of the environment cannot be used
 */
export function createConsulClient(
  config: ConsulConfig,
  userAgent: string,
  log: Log,
  options: WiresOptions = {},
): ConsulClient {
  const list = addressesOf(config);
  const wires = openWires(list, config, userAgent, log, options);
  const addresses = new Addresses({
    addresses: list,
    log,
    readServers: async (place) => {
      const use = await tokens.use();
      try {
        return await readServers({ get: (request) => wires.exchange({ place, verb: '_get', request, use }) });
      } finally {
        use.release();
      }
    },
  });
  let isClosed = false;
  const tokens = tokensOf(config, log, (exchange) => attempt({ ...exchange, place: addresses.current }));

  async function attempt(exchange: Exchange): Promise<ConsulAnswer> {
    const { place, request, use } = exchange;
    try {
      const answer = await wires.exchange(exchange);
      addresses.answered(place);
      return answer;
    } catch (error) {
      const isCalledOff = [request.signal, place.left, use.superseded].some((signal) => signal?.aborted);
      if (error instanceof ConsulError && !isCalledOff) addresses.failed(place, error);
      throw error;
    }
  }

  async function send(verb: Verb, request: ConsulRequest, body?: Buffer): Promise<ConsulAnswer> {
    const { purpose, signal } = request;
    // Whoever reads on after the end would open connections anew, and might come to lead.
    if (isClosed) throw new ConsulError(purpose, 0, '', new Error('Consul is not asked any more'));
    for (let isSecond = false; ; isSecond = true) {
      let use: TokenUse | undefined;
      try {
        use = await tokens.use(signal);
        const place = await addresses.ready();
        // Nobody listened to it meanwhile.
        signal?.throwIfAborted();
        return await attempt({ place, verb, request, use, body });
      } catch (error) {
        const failure = error instanceof ConsulError ? error : new ConsulError(purpose, 0, '', error);
        // How long a question waited matters to whoever asks, so only they can ask it again.
        const askAgain = () => new TokenChanged(purpose);
        if (isLongPoll(request) && use?.superseded?.aborted && !signal?.aborted) throw askAgain();
        if (failure.status !== 403 || isSecond || !use || !(await tokens.refused(use, failure))) throw failure;
        if (isLongPoll(request)) throw askAgain();
      } finally {
        use?.release();
      }
    }
  }

  return {
    get: (request) => send('_get', request),
    put: ({ json, ...request }) => send('_put', request, Buffer.from(json)),
    post: ({ json, ...request }) => send('_post', request, Buffer.from(json)),
    get address() {
      return addresses.current.address;
    },
    get tokenTerm() {
      return tokens.term;
    },
    get tokenFailure() {
      return tokens.failure;
    },
    get certificateEnds() {
      return wires.certificateEnds;
    },
    close: async () => {
      isClosed = true;
      await tokens.close();
      wires.destroy();
    },
  };
}

/** All addresses, in the order in which they are tried. */
export function addressesOf({ address }: Pick<ConsulConfig, 'address'>): readonly string[] {
  return [...new Set(typeof address === 'string' ? [address] : address)];
}

type Send = (exchange: Omit<Exchange, 'place'>) => Promise<ConsulAnswer>;

function tokensOf(config: ConsulConfig, log: Log, send: Send): TokenSource {
  const { token, tokenFile, login } = config;
  if (tokenFile !== '') return new TokenFile(config);
  if (token !== '' || login.authMethod === '') return fixedToken(token);
  return new Login({ login, log, api: loginApi(send) });
}

/** Requests with a token of their own, or none. */
function loginApi(send: Send): LoginApi {
  const ask = (purpose: string, path: string, verb: Verb, value: string, more: Partial<Exchange> = {}) =>
    send({ request: { purpose, path }, verb, use: { value, term: 0, superseded: undefined }, ...more });
  return {
    login: async (request) => {
      const body = Buffer.from(JSON.stringify(request));
      const { body: token } = await ask('log in', '/acl/login', '_post', '', { body, secret: request.BearerToken });
      return token;
    },
    isKnown: async (token) => {
      try {
        await ask('read the token of the login', '/acl/token/self', '_get', token);
        return true;
      } catch (error) {
        if (error instanceof ConsulError && (error.status === 403 || error.status === 404)) return false;
        throw error;
      }
    },
    logout: async (token) => void (await ask('log out', '/acl/logout', '_post', token)),
  };
}
