import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsulError } from '../../../src/consul/errors.ts';
import { fixedToken, TokenFile, type TokenSource } from '../../../src/consul/tokens.ts';

const REFUSED = new ConsulError('read', 403, 'ACL not found');

describe('a token in a file', () => {
  let folder: string;
  let tokenFile: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consul-tokens-'));
    tokenFile = join(folder, 'token');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('that is refused is another one, with a higher term, when the file has something else by then', async () => {
    await writeFile(tokenFile, 'first\n');
    const tokens: TokenSource = new TokenFile({ tokenFile });
    const first = await tokens.use();
    expect(first).toMatchObject({ value: 'first', term: tokens.term });
    await writeFile(tokenFile, 'second');
    expect(await tokens.refused(first, REFUSED)).toBe(true);
    const second = await tokens.use();
    expect(second.value).toBe('second');
    expect(second.term).toBeGreaterThan(first.term);
  });

  it('that is refused is the same one when the file was not changed, or cannot be read', async () => {
    await writeFile(tokenFile, 'first');
    const tokens: TokenSource = new TokenFile({ tokenFile });
    const first = await tokens.use();
    await writeFile(tokenFile, ' first \n');
    expect(await tokens.refused(first, REFUSED)).toBe(false);
    await rm(tokenFile);
    expect(await tokens.refused(first, REFUSED)).toBe(false);
    expect(tokens.term).toBe(first.term);
    await expect(tokens.use()).rejects.toThrow('ENOENT');
  });
});

it('a token of the environment is always the same one', async () => {
  const tokens = fixedToken('secret');
  const use = await tokens.use();
  expect([use.value, use.term, tokens.term, await tokens.refused(use, REFUSED)]).toEqual(['secret', 0, 0, false]);
});
