import { describe, expect, it } from '@jest/globals';
import { watchedLease } from '../../../src/commands/watched-lease.ts';
import type { Lease } from '../../../src/kubernetes/lease.ts';
import { MemoryLease, refusal } from '../leadership/memory-lease.ts';

const never = new AbortController().signal;

function leaseOf(change: Partial<Lease>): MemoryLease {
  const lease = new MemoryLease();
  lease.edit({ holderIdentity: 'daemon', renewTime: '1', ...change });
  return lease;
}

describe('a Lease that is waited for', () => {
  it('has no leader as long as nobody renews it, and the one who does as soon as that is seen', async () => {
    const lease = leaseOf({});
    const watched = watchedLease(lease.api(), 'purge', lease.now);
    await watched.api.read(never);
    expect(watched.leader).toBeUndefined();
    lease.edit({ renewTime: '2' });
    await watched.api.read(never);
    expect(watched.leader).toBe('daemon');
  });

  it('has a leader when somebody else takes it first', async () => {
    const lease = leaseOf({ holderIdentity: '' });
    const watched = watchedLease(lease.api(), 'purge', lease.now);
    lease.edit({ holderIdentity: 'other' });
    await watched.api.read(never);
    expect(watched.leader).toBe('other');
  });

  it('has none when it is ours', async () => {
    const lease = leaseOf({ holderIdentity: '' });
    const watched = watchedLease(lease.api(), 'purge', lease.now);
    lease.edit({ holderIdentity: 'purge', renewTime: '2' });
    await watched.api.read(never);
    expect(watched.leader).toBeUndefined();
  });

  it('is refused for want of a right, or of its namespace, and not for a lost race', async () => {
    const lease = leaseOf({});
    const api = lease.api((verb) => (verb === 'update' ? refusal('update', 409, 'Conflict') : undefined));
    const raced = watchedLease(api, 'purge', lease.now);
    const content = { record: { ...lease.now! }, labels: {}, annotations: {} };
    await expect(raced.api.replace(lease.now!, content, never)).rejects.toThrow('409');
    expect(raced.refusal).toBeUndefined();
    const denied = watchedLease(
      lease.api(() => refusal('get', 403, 'Forbidden')),
      'purge',
      undefined,
    );
    await expect(denied.api.read(never)).rejects.toThrow('403');
    expect(denied.refusal).toMatchObject({ status: 403 });
  });
});
