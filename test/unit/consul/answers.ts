import type { ConsulAnswer, ConsulReader, ConsulRequest } from '../../../src/consul/client.ts';

/** An answer as a healthy Consul gives it. */
export function answer(body: unknown, overrides: Partial<ConsulAnswer> = {}): ConsulAnswer {
  return { body, index: 7, knownLeader: true, filteredByAcls: false, tokenTerm: 0, ...overrides };
}

/** A row of health/service as Consul 1.22 gives it. */
export const row = {
  Node: { ID: '', Node: 'vm-1', Address: '10.20.0.1', Datacenter: 'dc1', Meta: { rack: '7' }, ModifyIndex: 12 },
  Service: {
    Kind: '',
    ID: 'orders-1',
    Service: 'Orders',
    Tags: ['v1', 'secure=true'],
    Address: '10.20.0.9',
    Port: 8080,
    Meta: { zone: 'eu-1a' },
    Weights: { Passing: 1, Warning: 1 },
    ModifyIndex: 13,
  },
  Checks: [{ Node: 'vm-1', CheckID: 'serfHealth', Status: 'passing' }],
};

/** What Consul says to a question, or the error that comes instead. */
export type Said = ConsulAnswer | Error;

/**
 * A reader that answers from what the test says, and notes the questions: the path with its parameters, then what was
 * asked beside it, as in `/health/service/orders consistent=` or `/catalog/services index=7 wait=30s`.
 */
export class Answers implements ConsulReader {
  readonly asked: string[] = [];
  readonly #answerTo: (question: string) => Said | Promise<Said>;

  constructor(answerTo: (question: string) => Said | Promise<Said>) {
    this.#answerTo = answerTo;
  }

  async get({ path, params = {}, query = {} }: ConsulRequest): Promise<ConsulAnswer> {
    const whole = path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
    const question = [whole, ...Object.entries(query).map(([key, value]) => `${key}=${String(value)}`)].join(' ');
    this.asked.push(question);
    const said = await this.#answerTo(question);
    if (said instanceof Error) throw said;
    return said;
  }
}
