/**
 * For esbuild. Of client-node only the kubeconfig is used, but its package.json does not say that its modules have no side
 * effects, so esbuild would keep the models of every kind: 1 MB of code that is run at each start, and 13 MB of memory.
 */
export const withoutUnusedModels = {
  name: 'without-unused-models',
  setup(build) {
    build.onResolve(
      { filter: /^(@kubernetes\/client-node$|\.{1,2}\/)/ },
      async ({ path, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === 'resolving' || !/@kubernetes\/client-node/.test(`${importer} ${path}`)) return undefined;
        const resolved = await build.resolve(path, { kind, importer, resolveDir, pluginData: 'resolving' });
        return resolved.errors.length > 0 ? undefined : { path: resolved.path, sideEffects: false };
      },
    );
  },
};
