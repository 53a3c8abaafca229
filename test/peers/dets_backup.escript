#!/usr/bin/env escript
%% The backup that Brock began as: sync each DETS table, then copy its file (not
%% synced, and torn when written meanwhile). Nine tables of 25,000 records of 252
%% bytes. Prints the milliseconds of each of so many backups (default 5).
main(Args) ->
    Times = case Args of [N] -> list_to_integer(N); [] -> 5 end,
    Dir = filename:join("/tmp", "brock-dets-" ++ os:getpid()),
    ok = filelib:ensure_dir(filename:join([Dir, "backup", "x"])),
    Value = binary:copy(<<0>>, 236),
    Tables = [open(Dir, I, Value) || I <- lists:seq(1, 9)],
    [io:format("~.1f~n", [backup(Tables, Dir)]) || _ <- lists:seq(1, Times)],
    [dets:close(T) || {T, _} <- Tables],
    os:cmd("rm -rf " ++ Dir).

open(Dir, I, Value) ->
    Name = list_to_atom("table_" ++ integer_to_list(I)),
    File = filename:join(Dir, atom_to_list(Name) ++ ".dets"),
    {ok, Name} = dets:open_file(Name, [{file, File}, {type, set}]),
    ok = dets:insert(Name, [{K, Value} || K <- lists:seq(1, 25000)]),
    {Name, File}.

backup(Tables, Dir) ->
    T0 = erlang:monotonic_time(microsecond),
    lists:foreach(fun({Name, File}) ->
        ok = dets:sync(Name),
        {ok, _} = file:copy(File, filename:join([Dir, "backup", filename:basename(File)]))
    end, Tables),
    (erlang:monotonic_time(microsecond) - T0) / 1000.
