/** What one address has open here. */
export interface Peer {
  readonly address: string;
  connections: number;
  /** Those of them that haven't said hello yet. */
  silent: number;
}

export interface PeerLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly silentPerAddressMax: number;
  readonly ratesOn: boolean;
}

/** Who is connected from where. */
export class Peers {
  private readonly limits: PeerLimits;
  private readonly peers = new Map<string, Peer>();
  connections = 0;

  constructor(limits: PeerLimits) {
    this.limits = limits;
  }

  /** Counts one more connection, or says why there can't be one: `full`, the node is; `many`, the address has too many. */
  open(address: string): Peer | 'full' | 'many' {
    const { connectionsMax, connectionsPerAddressMax, silentPerAddressMax, ratesOn } = this.limits;
    if (this.connections >= connectionsMax) return 'full';
    const peer = this.peers.get(address) ?? { address, connections: 0, silent: 0 };
    if (ratesOn && (peer.connections >= connectionsPerAddressMax || peer.silent >= silentPerAddressMax)) return 'many';
    this.peers.set(address, peer);
    this.connections++;
    peer.connections++;
    peer.silent++;
    return peer;
  }

  /** The connection has said hello. */
  spoke(peer: Peer): void {
    peer.silent--;
  }

  close(peer: Peer, spoke: 'spoke' | 'silent'): void {
    this.connections--;
    peer.connections--;
    if (spoke === 'silent') peer.silent--;
    if (peer.connections === 0) this.peers.delete(peer.address);
  }
}
