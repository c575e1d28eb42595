// Takes the script of ReDoc's search out of ReDoc's script. ReDoc starts it from a blob, which the page's policy does
// not allow; as a file of this service it may run.
//
//	node redoc-search.js REDOC SEARCH   rewrites the file REDOC and writes the file SEARCH
const fs = require("fs");
const [redoc, search] = process.argv.slice(2);
const begin = "new Worker(URL.createObjectURL(new Blob(['", end = "'])),{name:\"[fullhash].worker.js\"})";
const script = fs.readFileSync(redoc, "utf8");
const from = script.indexOf(begin), to = script.indexOf(end, from);
if (from < 0 || to < 0) throw new Error("this version of ReDoc starts its search in another way");
const text = new Function(`return '${script.slice(from + begin.length, to)}'`)();
fs.writeFileSync(search, text.replace(/^\/\/# sourceMappingURL=.*/m, ""));
fs.writeFileSync(redoc, `${script.slice(0, from)}new Worker("docs/redoc.search.js")${script.slice(to + end.length)}`);
