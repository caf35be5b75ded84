// verify.mjs - wreath's importer and reader against js-ipfs-unixfs: the same
// input gives the same CID, and each reads what the other wrote.
//
//     node verify.mjs OBJTOOL WORK      (tests/interop/run calls it)
//
// TAP on standard output; the exit status is 1 if a check failed.

import { spawnSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { blake2b256 } from '@multiformats/blake2/blake2b'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter } from 'ipfs-unixfs-exporter'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

const [objtool, work] = process.argv.slice(2)
const MIB = 1 << 20
let count = 0
let failed = 0

async function check (title, body) {
  count++
  try {
    await body()
    console.log(`ok ${count} - ${title}`)
  } catch (err) {
    failed++
    console.log(`not ok ${count} - ${title}`)
    console.log(`# ${String(err.stack).split('\n').join('\n# ')}`)
  }
}

function same (is, should, what) {
  const equal = Buffer.isBuffer(is)
    ? Buffer.compare(is, should) === 0
    : is === should
  if (!equal) {
    throw new Error(Buffer.isBuffer(is)
      ? `${what}: ${is.length} and ${should.length} bytes differ`
      : `${what}: ${is} is not ${should}`)
  }
}

// The ChaCha20 keystream with key SHA2-256(seed), nonce 0: IPIP-499's input.
function stream (seed, n) {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(n))
}

// A fresh pack of blocks; see objtool.c.
fs.mkdirSync(work, { recursive: true })
let packs = 0
function freshPack () {
  const pack = path.join(work, `pack-${packs++}`)
  fs.writeFileSync(pack, '')
  return pack
}

function * unpack (bytes) {
  const next = () => {
    const n = bytes.readUInt32BE()
    const part = bytes.subarray(4, 4 + n)
    bytes = bytes.subarray(4 + n)
    return part
  }
  while (bytes.length > 0) {
    yield [CID.decode(next()), next()]
  }
}

function run (args, input) {
  const done = spawnSync(objtool, args, { input, maxBuffer: 1 << 30 })
  if (done.status !== 0) {
    throw new Error(`objtool ${args.join(' ')}: ${done.stderr}`)
  }
  return done.stdout
}

// wreath's import: { cid, pack }.
function put (kind, args, input) {
  const pack = freshPack()
  const out = run([kind, ...args, pack], input)
  return { cid: CID.parse(out.toString().trim()), pack }
}

// wreath's blocks, each verified with the other side's hashes.
async function blocksOf (pack) {
  const store = new MemoryBlockstore()
  for (const [cid, bytes] of unpack(fs.readFileSync(pack))) {
    const hasher = cid.multihash.code === sha256.code ? sha256 : blake2b256
    const hash = await hasher.digest(bytes)
    same(Buffer.from(hash.bytes), Buffer.from(cid.multihash.bytes), 'hash')
    await store.put(cid, bytes)
  }
  return store
}

async function content (entry) {
  const parts = []
  for await (const part of entry.content()) {
    parts.push(part)
  }
  return Buffer.concat(parts)
}

// The importer's { cid, pack }; a MemoryBlockstore forgets codecs. Leaves are kept if `leaves`.
async function imported (source, options, leaves = true) {
  const parts = []
  const store = new MemoryBlockstore()
  const put = store.put.bind(store)
  store.put = (cid, bytes) => {
    if (leaves || cid.code !== raw.code) {
      for (const part of [cid.bytes, bytes]) {
        const n = Buffer.alloc(4)
        n.writeUInt32BE(part.length)
        parts.push(n, part)
      }
    }
    return put(cid, bytes)
  }
  let last
  for await (const entry of importer(source, store,
    { profile: 'unixfs-v1-2025', ...options })) {
    last = entry
  }
  const pack = freshPack()
  fs.writeFileSync(pack, Buffer.concat(parts))
  return { cid: last.cid, pack }
}

async function expectRead (cid, pack, bytes) {
  const entry = await exporter(cid, await blocksOf(pack))
  same(Number(entry.size), bytes.length, 'size')
  same(await content(entry), bytes, 'content')
}

// --- Files ----------------------------------------------------------------

const SMALL = 1024 // The smallest chunks: 1024 links within a megabyte.
const cases = [
  ['-', MIB, [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17]],
  ['size-1024', SMALL, [SMALL, SMALL + 1, 1023 * SMALL + 1, MIB - 1, MIB,
    MIB + 1, MIB + SMALL, MIB + SMALL + 1, 2 * MIB, 2 * MIB + 1, 3 * MIB + 5]]
]

for (const [chunker, chunkSize, sizes] of cases) {
  for (const size of sizes) {
    const bytes = stream('chunk-v1-seed', size)
    await check(`v1-2025: ${size} bytes in chunks of ${chunkSize}`, async () => {
      const ours = put('file', ['unixfs-v1-2025', '-', chunker], bytes)
      const theirs = await imported([{ content: bytes }],
        { chunker: fixedSize({ chunkSize }) })
      same(ours.cid.toString(), theirs.cid.toString(), 'CID')
      await expectRead(ours.cid, ours.pack, bytes)
      same(run(['cat', theirs.cid.toString(), theirs.pack]), bytes, 'cat')
    })
  }
}

for (const size of [0, 1, 65536, MIB, 5 * MIB + 3]) {
  for (const chunker of ['-', 'fastcdc-4096', 'size-1024']) {
    await check(`wreath: ${size} bytes, chunker ${chunker}`, async () => {
      const bytes = stream('wreath', size)
      const ours = put('file', ['wreath', '-', chunker], bytes)
      same(ours.cid.multihash.code, blake2b256.code, 'hash')
      await expectRead(ours.cid, ours.pack, bytes)
    })
  }
}

for (const size of [0, 5, 3 * MIB]) {
  await check(`wreath: a program of ${size} bytes keeps its mode`, async () => {
    const bytes = stream('program', size)
    const ours = put('program', ['wreath', 'sha2-256', '-'], bytes)
    const entry = await exporter(ours.cid, await blocksOf(ours.pack))
    same(entry.unixfs.mode, 0o755, 'mode')
    same(await content(entry), bytes, 'content')
    same(run(['cat', ours.cid.toString(), ours.pack]), bytes, 'cat')
  })
}

await check('ranges of what the other wrote', async () => {
  const bytes = stream('range', 3 * MIB)
  const theirs = await imported([{ content: bytes }],
    { chunker: fixedSize({ chunkSize: 5000 }) })
  for (const [a, b] of [[0, 1], [4999, 5001], [MIB, 2 * MIB + 7],
    [3 * MIB - 1, 3 * MIB], [7, 7]]) {
    same(run(['cat', theirs.cid.toString(), theirs.pack, String(a), String(b)]),
      bytes.subarray(a, b), `${a}:${b}`)
  }
})

// Leaves inside nodes, CIDv0, 174 links: what the world did before.
await check('reads files as importers wrote them in 2015', async () => {
  const bytes = stream('old', 2 * MIB)
  const theirs = await imported([{ content: bytes }],
    { profile: 'unixfs-v0-2015', chunker: fixedSize({ chunkSize: 4096 }) })
  same(theirs.cid.version, 0, 'version')
  same(run(['cat', theirs.cid.toString(), theirs.pack]), bytes, 'cat')
})

// --- Directories ----------------------------------------------------------

function names (n, more = '') {
  return Array.from({ length: n }, (_, i) =>
    `${i % 7 === 0 ? 'ä ö\n' : 'file'}${more}-${i.toString(36)}.txt`)
}

async function importedDir (list) {
  return await imported(list.map(name => ({
    path: `d/${name}`,
    content: Buffer.from(name)
  })), {}, false)
}

const input = list => Buffer.from(list.map(name => `${name}\0`).join(''))

function expectListing (cid, pack, list) {
  const out = run(['ls', cid.toString(), pack]).toString()
  same(out.length, list.reduce((sum, name) => sum + name.length, 0) +
    list.length * (cid.toString().length + 2), 'length of the listing')
  for (const name of [list[0], list[list.length >> 1], list[list.length - 1]]) {
    run(['find', cid.toString(), pack, name])
  }
}

for (const [title, list] of [
  ['of 1 name', names(1)],
  ['of 1,000 names, one block', names(1000)],
  ['of 6,000 names, sharded', names(6000)],
  ['of 20,000 names, sharded twice', names(20000)],
  ['of 1,100 long names, sharded', names(1100, 'x'.repeat(220))]
]) {
  await check(`a directory ${title}`, async () => {
    const ours = put('names', ['unixfs-v1-2025', '-'], input(list))
    const theirs = await importedDir(list)
    same(ours.cid.toString(), theirs.cid.toString(), 'CID')
    expectListing(theirs.cid, theirs.pack, list)
  })
}

// The entry whose link makes the block one byte larger than the threshold.
await check('sharded above 262144 bytes and not at them', async () => {
  const link = name => 38 + 2 + name + 2 // Hash, Name, Tsize below 128.
  const list = Array.from({ length: 2400 }, (_, i) => `n${i}`.padEnd(60, '-'))
  const rest = 262144 - 4 - 2400 * (2 + link(60))
  for (const more of [0, 1]) {
    // Entries of up to 100 bytes of name fill the rest to the byte.
    const tail = []
    let left = rest + more
    while (left > 0) {
      const len = left >= 2 * (2 + link(60)) + 100 ? 60 : 0
      const exact = left - 2 - link(0)
      if (len === 0 && exact <= 83) {
        tail.push('z'.repeat(exact))
        left = 0
      } else {
        tail.push(`m${tail.length}`.padEnd(len || 40, '-'))
        left -= 2 + link(len || 40)
      }
    }
    const all = [...list, ...tail]
    const ours = put('names', ['unixfs-v1-2025', '-'], input(all))
    const theirs = await importedDir(all)
    same(ours.cid.toString(), theirs.cid.toString(), `CID, ${more} above`)
    const entry = await exporter(ours.cid, await blocksOf(ours.pack))
    same(entry.unixfs.type,
      more === 0 ? 'directory' : 'hamt-sharded-directory', 'type')
  }
})

await check('directories in directories, with files of many blocks', async () => {
  const files = new Map([
    ['a/big', stream('tree', 2 * MIB + 5)],
    ['a/exact', stream('tree', MIB)],
    ['a/b/c/deep', Buffer.from('deep')],
    ['a/b/c/none', Buffer.alloc(0)],
    ['z', Buffer.from('last')]
  ])
  for (const name of names(5200)) {
    files.set(`many/${name}`, Buffer.alloc(0))
  }
  const root = path.join(work, 'tree')
  fs.mkdirSync(path.join(root, 'empty'), { recursive: true })
  const source = [{ path: 'd/empty' }]
  for (const [name, content] of files) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    fs.writeFileSync(path.join(root, name), content)
    source.push({ path: `d/${name}`, content })
  }
  const ours = put('tree', ['unixfs-v1-2025', '-', root])
  const theirs = await imported(source)
  same(ours.cid.toString(), theirs.cid.toString(), 'CID')
})

for (const hash of ['sha2-256', 'blake2b-256']) {
  await check(`the other reads a sharded directory, ${hash}`, async () => {
    const list = names(5500)
    const ours = put('dir', ['wreath', hash], input(list))
    const store = await blocksOf(ours.pack)
    const found = new Set()
    const root = await exporter(ours.cid, store)
    for await (const { cid, name } of root.entries()) {
      same((await content(await exporter(cid, store))).toString(), name, 'file')
      found.add(name)
    }
    same(found.size, list.length, 'names')
    expectListing(ours.cid, ours.pack, list)
  })
}

await check('a symbolic link', async () => {
  const ours = put('link', ['unixfs-v1-2025', '-', '../target file'])
  const entry = await exporter(ours.cid, await blocksOf(ours.pack))
  same(entry.unixfs.type, 'symlink', 'type')
  same(Buffer.from(entry.unixfs.data).toString(), '../target file', 'target')
})

console.log(`1..${count}`)
process.exitCode = failed === 0 ? 0 : 1
