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

export default {
  projects: [
    project('unit'),
    project('integration', {
      globalSetup: '<rootDir>/test/integration/global-setup.ts',
      globalTeardown: '<rootDir>/test/integration/global-teardown.ts',
      setupFilesAfterEnv: ['<rootDir>/test/integration/limits.ts'],
    }),
    project('e2e', { setupFilesAfterEnv: ['<rootDir>/test/e2e/limits.ts'] }),
  ],
  reporters: ['default', '<rootDir>/test/slowest-tests.js'],
};
