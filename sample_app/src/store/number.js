// Gives a batch its sequence numbers; both stores call it while they hold the rooms' locks.

/**
 * `entries` are {room, sender, cid, text}, `last` maps a room to its newest seq, `known` holds the rows
 * {room, sender, cid, seq} that are stored already. Answers one {seq, duplicate} an entry, the rows to insert,
 * and the rooms' new `last`. Numbers are dense: a repeated cid gets the number of its first time.
 */
export function number(entries, last, known, time) {
  const seqs = new Map(known.map((row) => [key(row), Number(row.seq)]))
  const next = new Map(last)
  const rows = []
  const results = entries.map((entry) => {
    const stored = seqs.get(key(entry))
    if (stored !== undefined) return { seq: stored, duplicate: true }
    const seq = next.get(entry.room) + 1
    next.set(entry.room, seq)
    seqs.set(key(entry), seq)
    rows.push({ ...entry, seq, time })
    return { seq, duplicate: false }
  })
  return { results, rows, last: next }
}

function key({ room, sender, cid }) {
  return JSON.stringify([room, sender, cid])
}
