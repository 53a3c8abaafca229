package api

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// render returns the exported declarations of a package of the module, without
// comments and bodies: constants, variables, functions, types with their methods. A
// type that is an alias of another package's, in the same module, is shown as it is
// there, because its fields and methods are what callers use.
func render(root, module, name string) (string, error) {
	l := &loader{root: root, module: module, fset: token.NewFileSet(), loaded: map[string]*doc.Package{}}
	p, err := l.load(name)
	if err != nil {
		return "", err
	}
	w := &writer{fset: l.fset}
	w.line("package " + path.Join(module, name))
	w.values(p.Consts)
	w.values(p.Vars)
	w.funcs(p.Funcs)
	for _, t := range p.Types {
		w.typ(t, "")
		if err := l.alias(w, p, t); err != nil {
			return "", err
		}
	}
	return w.text.String(), w.err
}

// loader reads packages of one module.
type loader struct {
	root, module string
	fset         *token.FileSet
	loaded       map[string]*doc.Package
}

// load parses the files of this platform, without tests.
func (l *loader) load(name string) (*doc.Package, error) {
	if p := l.loaded[name]; p != nil {
		return p, nil
	}
	dir := filepath.Join(l.root, filepath.FromSlash(name))
	info, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, file := range info.GoFiles {
		f, err := parser.ParseFile(l.fset, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(l.fset, files, path.Join(l.module, name))
	if err != nil {
		return nil, err
	}
	l.loaded[name] = p
	return p, nil
}

// alias shows what the aliases in t's declaration stand for.
func (l *loader) alias(w *writer, p *doc.Package, t *doc.Type) error {
	for _, spec := range t.Decl.Specs {
		spec := spec.(*ast.TypeSpec)
		sel, ok := spec.Type.(*ast.SelectorExpr)
		if !ok || !spec.Assign.IsValid() || spec.Name.Name != t.Name {
			continue
		}
		from := sel.X.(*ast.Ident).Name
		i := slices.IndexFunc(p.Imports, func(imp string) bool {
			return strings.HasPrefix(imp, l.module+"/") && path.Base(imp) == from
		})
		if i < 0 {
			continue // not ours
		}
		target, err := l.load(strings.TrimPrefix(p.Imports[i], l.module+"/"))
		if err != nil {
			return err
		}
		for _, other := range target.Types {
			if other.Name == sel.Sel.Name {
				w.typ(other, strconv.Quote(p.Imports[i]))
			}
		}
	}
	return nil
}

// writer prints declarations, each behind an empty line.
type writer struct {
	fset *token.FileSet
	text bytes.Buffer
	err  error
}

func (w *writer) line(s string) { w.text.WriteString(s + "\n") }

func (w *writer) node(n any) {
	w.line("")
	if err := format.Node(&w.text, w.fset, n); err != nil && w.err == nil {
		w.err = err
	}
	w.line("")
}

func (w *writer) values(values []*doc.Value) {
	for _, v := range values {
		w.node(v.Decl)
	}
}

func (w *writer) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		w.node(f.Decl)
	}
}

// typ prints a type and what belongs to it. From is the package of one that stands
// behind an alias; its functions are that package's own.
func (w *writer) typ(t *doc.Type, from string) {
	if from != "" {
		w.line("\n// Behind the alias, in " + from + ":")
	}
	w.node(t.Decl)
	if from == "" {
		w.values(t.Consts)
		w.values(t.Vars)
		w.funcs(t.Funcs)
	}
	w.funcs(t.Methods)
}
