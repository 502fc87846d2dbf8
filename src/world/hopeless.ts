import { ConsulError } from '../consul/errors.ts';
import { isObject } from '../json.ts';

/** The resolver could not be asked: that is most often over in a moment, and else it will not be while somebody waits. */
const RESOLVER_MS = 5000;
/** What the system says of a file that cannot be read. */
const UNREADABLE = new Set<unknown>(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM']);

/**
 * Whether somebody who waits for one answer waits in vain:
 *
 * | the reason                                        | is hopeless                    | what to do                  |
 * |---------------------------------------------------|--------------------------------|-----------------------------|
 * | a file that cannot be read, as that of the token  | at once                        | `--token-file`, for a token |
 * | a host name that does not exist                   | at once                        | `--consul-address`, for Consul |
 * | a resolver that does not answer                   | after 5 s                      |                             |
 * | anything else, a refused connection among it      | never: it may come back        |                             |
 *
 * The daemon goes on trying in each case.
 */
export class Hopeless {
  readonly #now: () => number;
  readonly #tokenFile: string;
  #unanswered: number | undefined;

  constructor(tokenFile: string, now: () => number = () => performance.now()) {
    this.#tokenFile = tokenFile;
    this.#now = now;
  }

  /** Words for what to do about it, perhaps empty; undefined where it may be better in a moment. */
  judge(error: unknown): string | undefined {
    for (const { code, path, hostname } of causesOf(error)) {
      if (UNREADABLE.has(code) && path !== undefined)
        return path === this.#tokenFile ? '; --token-file names another, and with "" CONSUL_HTTP_TOKEN is used' : '';
      if (code === 'ENOTFOUND')
        return isOfConsul(error) ? `; --consul-address names another than ${String(hostname)}` : '';
      if (code !== 'EAI_AGAIN') continue;
      this.#unanswered ??= this.#now();
      return this.#now() - this.#unanswered >= RESOLVER_MS ? '' : undefined;
    }
    return undefined;
  }
}

interface SystemError {
  readonly code?: unknown;
  readonly path?: unknown;
  readonly hostname?: unknown;
}

function* causesOf(error: unknown): Generator<SystemError> {
  for (let [cause, depth] = [error, 0]; isObject(cause) && depth < 8; [cause, depth] = [cause.cause, depth + 1])
    yield cause;
}

function isOfConsul(error: unknown): boolean {
  return [...causesOf(error)].some((cause) => cause instanceof ConsulError);
}
