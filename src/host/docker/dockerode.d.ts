/**
 * The part of dockerode 5.0.1 that the adapter calls: the package brings no types. Answers are `unknown`, because an engine may say
 * anything; records.ts and its neighbours take out what they understand.
 */
declare module 'dockerode' {
  type Options = Record<string, unknown>;

  interface Modem {
    dial(options: Dialled, done: (error: Error | null, answer?: unknown) => void): void;
  }

  /** What dockerode asks of a modem. */
  interface Dialled {
    /** With a `?` at its end where options are a query. */
    path: string;
    method: string;
    options?: Options & { _query?: Options; _body?: unknown };
    isStream?: boolean;
    statusCodes: Record<number, true | string>;
    authconfig?: unknown;
  }

  interface Container {
    inspect(o?: Options): Promise<unknown>;
    logs(o: Options): Promise<unknown>;
    stats(o: Options): Promise<unknown>;
    start(): Promise<unknown>;
    stop(o: Options): Promise<unknown>;
    restart(o: Options): Promise<unknown>;
    pause(): Promise<unknown>;
    unpause(): Promise<unknown>;
    kill(o: Options): Promise<unknown>;
    remove(o: Options): Promise<unknown>;
    rename(o: Options): Promise<unknown>;
    update(body: object): Promise<unknown>;
  }

  interface Image {
    inspect(): Promise<unknown>;
    distribution(): Promise<unknown>;
    remove(): Promise<unknown>;
  }

  interface Network {
    inspect(): Promise<unknown>;
    connect(o: Options): Promise<unknown>;
    disconnect(o: Options): Promise<unknown>;
  }

  class Docker {
    constructor(o: { modem: Modem });
    ping(): Promise<unknown>;
    version(): Promise<unknown>;
    info(): Promise<unknown>;
    df(): Promise<unknown>;
    getEvents(o: Options): Promise<unknown>;
    listContainers(o: Options): Promise<unknown>;
    listImages(o: Options): Promise<unknown>;
    listNetworks(): Promise<unknown>;
    createImage(o: Options): Promise<unknown>;
    createContainer(o: Options): Promise<{ id: string }>;
    pruneImages(o: Options): Promise<unknown>;
    getContainer(id: string): Container;
    getImage(name: string): Image;
    getNetwork(id: string): Network;
  }

  export type { Dialled, Modem };
  export default Docker;
}
