import type { ObjectApi } from '../kubernetes/object-api.ts';

/**
 * The same reads and writes, the writes while this process leads only. Kubernetes has nothing like the fence in Consul: a write that
 * a leader sent before it was paused or cut off may arrive when another leads. Each write names the uid and the resourceVersion that
 * it was decided on, and a creation is refused where the name is taken, so all that such a write can still do is to make an object
 * again that the new leader has removed; the new leader sees it in its watch, and removes it again.
 * @param assertLeading throws unless this process leads
 */
export function leadersApi(api: ObjectApi, assertLeading: () => void): ObjectApi {
  return {
    get: (...request) => api.get(...request),
    list: (...request) => api.list(...request),
    async create(...request) {
      assertLeading();
      return api.create(...request);
    },
    async patch(...request) {
      assertLeading();
      return api.patch(...request);
    },
    async setCondition(...request) {
      assertLeading();
      return api.setCondition(...request);
    },
    async remove(...request) {
      assertLeading();
      return api.remove(...request);
    },
  };
}
