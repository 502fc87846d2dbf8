import { clientNode } from './test/client-node.js';

const options = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };

/** A folder of test/ whose tests are run together. */
const project = (name, more = {}) => ({
  displayName: name,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  transform: { '\\.ts$': ['@swc/jest', options] },
  ...more,
});

/** A folder of tests on the real servers, which each worker starts when its first test asks for them. */
const projectOnServers = (name) =>
  project(name, {
    globalSetup: '<rootDir>/test/integration/global-setup.ts',
    globalTeardown: '<rootDir>/test/integration/global-teardown.ts',
    setupFilesAfterEnv: [`<rootDir>/test/${name}/limits.ts`],
  });

const projects = [
  project('unit'),
  projectOnServers('integration'),
  projectOnServers('slow'),
  projectOnServers('image'),
  project('e2e', { setupFilesAfterEnv: ['<rootDir>/test/e2e/limits.ts'] }),
];

export default async () => {
  const moduleNameMapper = { '^@kubernetes/client-node$': await clientNode() };
  return {
    projects: projects.map((project) => ({ ...project, moduleNameMapper })),
    reporters: ['default', '<rootDir>/test/slowest-tests.js'],
  };
};
