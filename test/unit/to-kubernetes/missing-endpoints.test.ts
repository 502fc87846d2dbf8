import { describe, expect, it } from '@jest/globals';
import { MissingEndpoints } from '../../../src/to-kubernetes/missing-endpoints.ts';

const slice = (name: string, port: number, ...addresses: string[]) => ({
  name,
  ports: [{ port }, { port }],
  endpoints: addresses.map((address) => ({ address })),
});

/** What is refused after the writing of some slices failed. */
function refusal(failed: ReturnType<typeof slice>[], ...change: Parameters<MissingEndpoints['assertKept']>): string {
  const missing = new MissingEndpoints();
  for (const each of failed) missing.add(each);
  try {
    missing.assertKept(...change);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('endpoints whose slice could not be written', () => {
  const failed = [slice('new', 80, '192.0.2.1', '2001:DB8::1')];

  it('stay in the slice that has them', () => {
    expect(refusal(failed, slice('old', 80, '192.0.2.1'))).toContain('the one that is to have 192.0.2.1 port 80');
    expect(refusal(failed, slice('old', 80, '192.0.2.1'), slice('old', 80, '192.0.2.2'))).toContain('stays as it is');
    expect(refusal(failed, slice('old', 80, '2001:db8:0::1'))).toContain('2001:db8::1 port 80');
  });

  it('are no reason to keep anything else', () => {
    expect(refusal(failed, slice('old', 80, '192.0.2.2'))).toBe('');
    expect(refusal(failed, slice('old', 81, '192.0.2.1'))).toBe('');
    expect(refusal(failed, slice('old', 80, '192.0.2.1'), slice('old', 80, '192.0.2.1', '192.0.2.3'))).toBe('');
    expect(refusal([], slice('old', 80, '192.0.2.1'))).toBe('');
  });
});
