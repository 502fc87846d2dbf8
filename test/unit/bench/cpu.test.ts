import { describe, expect, it } from '@jest/globals';
import { caused } from '../../bench/cpu.ts';

describe('the CPU that was caused', () => {
  it('is milliseconds by change, without what each part uses anyway', () => {
    const spent = { subject: 2, consul: 1, apiServer: 4, etcd: 1, seconds: 20 };
    const background = { subject: 0, consul: 0.01, apiServer: 0.05, etcd: 0.05 };
    expect(caused(spent, background, 100)).toEqual({ subject: 20, consul: 8, apiServer: 30, etcd: 0 });
  });
});
