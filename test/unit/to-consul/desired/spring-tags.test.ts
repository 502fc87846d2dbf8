import { describe, expect, it } from '@jest/globals';
import { desiredRegistrations } from '../../../../src/to-consul/desired/desired-registrations.ts';
import { metaOfTags } from '../../../../src/to-consul/desired/spring-tags.ts';
import { annotations, owner, pod, policy, strings, toConsulConfig } from '../../builders.ts';

describe('tags that an older Spring reads', () => {
  it.each<[string, string[], Record<string, string>]>([
    ['of TLS', ['a', 'secure=true'], { secure: 'true' }],
    ['of TLS in another case', ['secure=TRUE'], { secure: 'true' }],
    ['of plain text', ['secure=false'], { secure: 'false' }],
    ['of the zone', ['zone=eu=1a'], { zone: 'eu=1a' }],
    ['twice: the later one', ['secure=false', 'secure=true'], { secure: 'true' }],
    ['that say neither', ['secure=yes', 'secure=', 'secure', 'Secure=true', 'zone=', 'group=x'], {}],
    ['that are no value of meta', [`zone=${'x'.repeat(513)}`], {}],
  ])('%s', (_, tags, meta) => {
    expect(metaOfTags(tags, policy())).toEqual(strings(meta));
  });

  it('are no more than tags where the policy keeps that meta for others', () => {
    expect(metaOfTags(['zone=a', 'secure=true'], policy({ meta: { include: ['*'], exclude: ['zone'] } }))).toEqual(
      strings({ secure: 'true' }),
    );
  });

  it.each<[string, Record<string, string>, string, string]>([
    ['what the tags say', { 'service-tags': 'secure=true,zone=a' }, 'true', 'a'],
    [
      'what an annotation says, and not the tags',
      { 'service-tags': 'secure=true', 'service-meta-secure': 'false' },
      'false',
      'eu',
    ],
    ['what is so without any', {}, 'false', 'eu'],
  ])('are in the meta: %s', (_, text, secure, zone) => {
    const { registrations, rejections } = desiredRegistrations(owner, toConsulConfig(), {
      pod: pod({ annotations: annotations({ 'service-name': 'orders', ...text }) }),
      services: [],
      zone: 'eu',
      nodeAddress: '192.168.1.11',
    });
    expect(rejections).toEqual([]);
    const [registration] = registrations.values();
    expect([registration?.meta.get('secure'), registration?.meta.get('zone')]).toEqual([secure, zone]);
  });
});
