import type { KubernetesRequest, KubernetesRequester } from '../../../src/kubernetes/client.ts';
import { KubernetesError } from '../../../src/kubernetes/errors.ts';

/** What the API server says: a body, or the error that comes instead. */
export type Said = object | Error | string;

/** A client that answers what the test says, and keeps what was sent. */
export class Requester implements KubernetesRequester {
  readonly sent: KubernetesRequest[] = [];
  readonly #answerTo: (request: KubernetesRequest) => Said | Promise<Said>;

  constructor(answerTo: (request: KubernetesRequest) => Said | Promise<Said>) {
    this.#answerTo = answerTo;
  }

  async request(request: KubernetesRequest): Promise<unknown> {
    this.sent.push(request);
    const said = await this.#answerTo(request);
    if (said instanceof Error) throw said;
    return said;
  }
}

/** The error that the client makes of a refusal. */
export function refusal(status: number, reason = ''): KubernetesError {
  return new KubernetesError({ verb: 'get', kind: 'Thing', object: 'x' }, status, reason, 'no');
}
