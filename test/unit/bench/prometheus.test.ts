import { describe, expect, it } from '@jest/globals';
import { sumOf } from '../../bench/prometheus.ts';

describe('the sum of a metric', () => {
  const text = [
    '# TYPE fsm_txn_count counter',
    'fsm_txn_count 3',
    'fsm_kvs_count{op="set"} 2',
    'fsm_kvs_count{op="delete tree"} 5',
    'fsm_kvs_count_other 100',
    'raft_fsm_txn_count 100',
    '',
  ].join('\n');

  it.each([
    ['one series', 'fsm_txn_count', 3],
    ['several series', 'fsm_kvs_count', 7],
    ['no series', 'fsm_session_count', 0],
  ])('of %s', (_, name, expected) => {
    expect(sumOf(text, name)).toBe(expected);
  });
});
