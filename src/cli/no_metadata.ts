/**
 * For @peculiar/x509, before it is loaded: it registers its parts with a container that insists on being able to ask for metadata of
 * decorators. Nothing that is used here has any, so an empty answer is the right one, and no polyfill has to come along.
 */
const reflect = Reflect as unknown as Record<string, unknown>;
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
reflect.defineMetadata ??= () => {};
