import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../../src/config/load.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { assertFilter } from '../../../src/world/assert-filter.ts';
import { answer, Answers, type Said } from '../consul/answers.ts';

const BEGINNING = 'Failed to create boolean expression evaluator: ';

async function outcomeOf(said: Said, filter = 'Service.Meta.env = prod') {
  const consul = new Answers(() => said);
  const error = await assertFilter(consul, filter, new AbortController().signal).catch((error: unknown) => error);
  return { error, asked: consul.asked };
}
const failed = (status: number, detail: string) => new ConsulError('read service consul', status, detail);

describe('the filter expression of the settings', () => {
  it('is judged by Consul, with a service that has few instances', async () => {
    const { error, asked } = await outcomeOf(answer([]));
    expect([error, asked]).toEqual([undefined, ['/health/service/consul filter=Service.Meta.env = prod']]);
  });

  it('is not asked about where there is none', async () => {
    expect((await outcomeOf(answer([]), '')).asked).toEqual([]);
  });

  it.each([
    ['with 500, as Consul 1.22 does', 500, `${BEGINNING}1:18 (17): no match found`, '1:18 (17): no match found'],
    ['with 400', 400, 'no such selector', 'no such selector'],
  ])('is a mistake in the settings when Consul refuses it %s', async (_, status, detail, words) => {
    const { error } = await outcomeOf(failed(status, detail));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems).toEqual([
      `toKubernetes.filter: expected an expression in Consul's filter language, found "Service.Meta.env = prod", which Consul refuses: ${words}`,
    ]);
  });

  it.each([
    ['has no leader', 500, 'No cluster leader'],
    ['refuses the token', 403, 'ACL not found'],
    ['does not answer', 0, 'connection refused'],
  ])('is no mistake when Consul %s', async (_, status, detail) => {
    const failure = failed(status, detail);
    expect((await outcomeOf(failure)).error).toBe(failure);
  });
});
