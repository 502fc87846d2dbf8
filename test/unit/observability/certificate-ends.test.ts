import { describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { firstEnd, lastEnd } from '../../../src/observability/certificate-ends.ts';

const endOf = (certificate: string) => new Date(new X509Certificate(certificate).validTo);
const some = rootCertificates.slice(0, 5);
const ends = some.map(endOf).sort((a, b) => a.getTime() - b.getTime());

describe('when the certificates of a file end', () => {
  it('is the end of the only one', () => {
    const [only = ''] = some;
    expect([firstEnd(only), lastEnd(only)]).toEqual([endOf(only), endOf(only)]);
  });

  it('is that of the first or of the last of several, whatever stands between them', () => {
    const bundle = some.join('\n# another\n');
    expect(new Set(ends.map(Number)).size).toBeGreaterThan(1);
    expect([firstEnd(bundle), lastEnd(bundle)]).toEqual([ends[0], ends.at(-1)]);
  });

  it.each([
    ['an empty file', ''],
    ['what is no certificate', some[0]?.replace(/\n[\s\S]*\n/, '\nAAAA\n') ?? ''],
    ['one that is cut off', some[0]?.slice(0, 200) ?? ''],
  ])('is not known of %s', (_, pem) => {
    expect([firstEnd(pem), lastEnd(pem)]).toEqual([undefined, undefined]);
  });
});
