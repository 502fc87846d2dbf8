import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { TlsFiles } from '../../../src/consul/tls-files.ts';
import { TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

const [FIRST = '', SECOND = ''] = rootCertificates;
const KEY = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const NONE = { caFile: '', certFile: '', keyFile: '' };

/** Files for TLS on the disk, of which the CA is there at the beginning. */
async function stage(ca = FIRST) {
  await writeFile(path('ca.pem'), ca);
  const [log, clock] = [new TestLog(), new TestClock()];
  const files = new TlsFiles({ ...NONE, caFile: path('ca.pem') }, log, { clock });
  return { files, log, clock };
}

describe('TLS files', () => {
  it.each([
    ['nothing', ''],
    ['no certificate', 'not in PEM'],
    ['a certificate that is cut off', FIRST.slice(0, FIRST.length / 2)],
    ['one that is cut off behind a whole one', `${FIRST}\n${SECOND.slice(0, SECOND.length / 2)}`],
    ['what is no certificate', FIRST.replace(/\n[\s\S]*\n/, '\nAAAA\n')],
  ])('with %s are an error at the start', async (_, ca) => {
    await expect(stage(ca)).rejects.toThrow(/ca\.pem: expected certificates/);
  });

  it.each([
    [
      'that is not the key of the certificate',
      KEY,
      'expected the key of the certificate in .*cert\\.pem, found another',
    ],
    ['that is cut off', KEY.slice(0, KEY.length / 2), 'expected a private key in PEM'],
  ])('with a key %s are an error at the start', async (_, key, why) => {
    await writeFile(path('cert.pem'), FIRST);
    await writeFile(path('key.pem'), key);
    const paths = { caFile: '', certFile: path('cert.pem'), keyFile: path('key.pem') };
    expect(() => new TlsFiles(paths, new TestLog())).toThrow(new RegExp(`^read TLS file .*key\\.pem: ${why}`));
  });

  it('need not be named at all: then the CAs of the system count', () => {
    const { context } = new TlsFiles(NONE, new TestLog());
    expect(context).toBeDefined();
  });

  it.each([
    ['are the same', FIRST, false],
    ['have another certificate', SECOND, true],
    ['have one more, and a comment', `${FIRST}\n# the next CA\n${SECOND}`, true],
  ])('that %s at the next look: new connections', async (_, ca, isNew) => {
    const { files, log } = await stage();
    const before = files.context;
    await writeFile(path('ca.pem'), ca);
    await files.look();
    expect(files.context !== before).toBe(isNew);
    expect(log.of('info')).toEqual(isNew ? ['TLS files for Consul changed, new connections use them'] : []);
  });

  it('are looked at after 5 seconds, while what was read before goes on to be used', async () => {
    const { files, clock } = await stage();
    const before = files.context;
    await writeFile(path('ca.pem'), SECOND);
    await clock.advance(4999);
    const { context: stillBefore } = files;
    await clock.advance(1);
    const { context: meanwhile } = files;
    await files.look();
    expect([stillBefore === before, meanwhile === before, files.context === before]).toEqual([true, true, false]);
  });

  it.each<[string, (name: string) => Promise<void>, RegExp]>([
    ['are gone', (name) => rm(name), /^ENOENT/],
    ['are cut off', (name) => writeFile(name, SECOND.slice(0, 100)), /found 0 whole of 1$/],
    ['are empty', (name) => writeFile(name, ''), /found 0 whole of 0$/],
  ])('that %s cost nothing, are told once, and are used when they are whole', async (_, spoil, why) => {
    const { files, log } = await stage();
    const before = files.context;
    await spoil(path('ca.pem'));
    for (let look = 0; look < 3; look++) await files.look();
    expect(files.context).toBe(before);
    expect(log.of('warn')).toEqual(['TLS files for Consul cannot be used, going on with what was in them']);
    expect((log.records[0]?.fields.error as Error).message).toMatch(why);
    await writeFile(path('ca.pem'), SECOND);
    await files.look();
    expect(files.context).not.toBe(before);
    await spoil(path('ca.pem'));
    await files.look();
    expect(log.of('warn')).toHaveLength(2);
  });
});
