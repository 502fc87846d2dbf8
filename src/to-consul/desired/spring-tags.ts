import { selects } from '../../config/pattern.ts';
import type { Policy } from './policy.ts';

/** Consul's own limit for values of meta, in bytes. */
const LONGEST_VALUE = 512;

/**
 * What tags like `secure=true` and `zone=eu-1a` say to a Spring of before 3.0, which reads them there, as a later one reads it: in
 * the meta. Without this the same instance would be called with TLS by the one and in plain text by the other. Of two tags the
 * later one counts, as there. A tag that makes no valid meta, or such as the policy keeps for others, is a tag and nothing more.
 */
export function metaOfTags(tags: readonly string[], policy: Pick<Policy, 'meta'>): ReadonlyMap<string, string> {
  const meta = new Map<string, string>();
  for (const tag of tags) {
    const [, key = '', value = ''] = /^(secure|zone)=(.+)$/s.exec(tag) ?? [];
    const said = key === 'secure' ? value.toLowerCase() : value;
    const isValid = key === 'secure' ? said === 'true' || said === 'false' : Buffer.byteLength(said) <= LONGEST_VALUE;
    if (key !== '' && isValid && selects(policy.meta, key)) meta.set(key, said);
  }
  return meta;
}
