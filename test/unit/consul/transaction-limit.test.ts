import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../src/consul/errors.ts';
import { readTransactionLimit, transactionLimitOf } from '../../../src/consul/transaction-limit.ts';
import { recordingLog } from '../log.ts';
import { answer, Answers } from './answers.ts';

it.each([
  ['1.22.0', 128],
  ['1.14.0', 128],
  ['1.22.0+ent', 128],
  ['2.0.0', 128],
  ['1.13.9', 64],
  ['1.9.0', 64],
  ['', 64],
  ['development', 64],
])('Consul %s takes %i operations in one transaction', (version, limit) => {
  expect(transactionLimitOf(version)).toBe(limit);
});

describe('how many operations Consul takes', () => {
  const read = async (said: object) => {
    const { log, records } = recordingLog();
    const consul = new Answers(() => (said instanceof Error ? said : answer(said)));
    return { limit: await readTransactionLimit(consul, log), records, asked: consul.asked };
  };

  it('is told by its version', async () => {
    expect(await read({ Config: { Version: '1.22.0' } })).toEqual({ limit: 128, records: [], asked: ['/agent/self'] });
  });

  it('is what all versions take where the token may not ask, which the log says', async () => {
    const { limit, records } = await read(new ConsulError('read Consul version', 403, 'Permission denied'));
    expect(limit).toBe(64);
    expect(records).toEqual(['warn Consul does not tell this token its version, transactions stay small']);
  });

  it('is not guessed after any other failure', async () => {
    const failure = new ConsulError('read Consul version', 500, 'No cluster leader');
    await expect(read(failure)).rejects.toBe(failure);
  });
});
